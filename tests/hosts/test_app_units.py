"""How the application's units run: processes, limits, confinement."""

import pytest
from units import check_limits, units_of
from xteam_client import serving

from checklist.run import not_applicable


@pytest.mark.group("app")
@pytest.mark.item("INF-05")
def test_the_api_runs_within_its_limits(host, estate):
    settings = estate.app
    unit, _ = serving(host, estate)
    check_limits(host, unit, settings.api_memory_mb, settings.api_tasks_max, settings.api_cpu_percent)


@pytest.mark.group("app")
def test_the_kernel_enforces_the_limits(host, estate):
    """What systemd was told has reached the kernel."""
    unit, _ = serving(host, estate)
    group = host.check_output(f"systemctl show --property ControlGroup --value {unit}").strip()
    limit = host.run(f"cat /sys/fs/cgroup{group}/memory.max")
    if limit.rc != 0:
        not_applicable("this host may not set limits of control groups (a container); systemd is told them")
    assert limit.stdout.strip() == str(estate.app.api_memory_mb * 1024 * 1024)


@pytest.mark.group("app")
@pytest.mark.item("PERF-06")
def test_the_api_has_as_many_processes_as_set(host, estate, eventually):
    """The parent's children that serve, and no more than the cores can feed."""
    unit, _ = serving(host, estate)
    pid = host.check_output(f"systemctl show --property MainPID --value {unit}").strip()
    wanted = estate.app.api_workers

    def complete():
        """One that was silent for too long is being replaced."""
        children = host.run(f"pgrep --parent {pid} --full spawn_main").stdout.split()
        assert len(children) == wanted, f"{len(children)} API processes, not {wanted}"
        return True

    eventually(complete, seconds=20)
    cores = int(host.check_output("nproc"))
    assert wanted <= 2 * cores, f"{wanted} API processes on {cores} cores"


@pytest.mark.group("app", "worker")
def test_units_are_confined(host, estate):
    """As `systemd-analyze security` scores them: 10 is unprotected, 2 and less is what it calls OK at best."""
    for unit in units_of(host, estate):
        said = host.check_output(f"systemd-analyze security --no-pager {unit} | tail -n 1")
        score = float(said.split(":")[1].split()[0])
        assert score <= 2.0, f"{unit} is exposed: {score}"

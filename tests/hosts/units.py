"""The application's long-running units on a host, seen through systemd."""

from xteam_client import serving

from checklist.waiting import eventually
from xteam_infra.layers.celery.needs import BEAT_UNIT, worker_unit


def processes_of(host, unit):
    """Process ids of a unit: its main process first, then its children."""
    pid = host.check_output(f"systemctl show --property MainPID --value {unit}").strip()
    return [pid, *host.run(f"pgrep --parent {pid}").stdout.split()]


def units_of(host, estate):
    """The application's long-running units on a host."""
    groups = host.machine.groups
    workers = [worker_unit(name) for name in estate.celery.celery_workers] + [BEAT_UNIT]
    return ([serving(host, estate)[0]] if "app" in groups else []) + (workers if "worker" in groups else [])


def environment_of(host, unit):
    """The environment of a unit's main process, as it has it and not as a file says. It holds secrets."""

    def found():
        """A worker may just be restarted, by the watch."""
        pid = processes_of(host, unit)[0]
        assert pid != "0", f"{unit} does not run"
        text = host.run(f"tr '\\0' '\\n' < /proc/{pid}/environ").stdout
        return dict(line.split("=", 1) for line in text.splitlines() if "=" in line)

    return eventually(found, seconds=30)


def check_limits(host, unit, memory_mb, tasks, cpu_percent):
    """The limits as systemd has them for the running unit."""
    names = "MemoryMax,TasksMax,CPUQuotaPerSecUSec"
    shown = host.check_output(f"systemctl show --property {names} {unit}")
    found = dict(line.split("=", 1) for line in shown.splitlines())
    assert found["MemoryMax"] == str(memory_mb * 1024 * 1024), f"{unit} may use {found['MemoryMax']} bytes"
    assert found["TasksMax"] == str(tasks), f"{unit} may have {found['TasksMax']} tasks"
    wanted = f"{cpu_percent / 100:g}s" if cpu_percent else "infinity"
    assert found["CPUQuotaPerSecUSec"] == wanted, f"{unit} may use {found['CPUQuotaPerSecUSec']} of CPU a second"

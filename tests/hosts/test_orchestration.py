"""systemd as the application's orchestration: what ends is started again, within limits, and asked whether it works."""

import json
from pathlib import Path

import pytest
from units import check_limits, units_of
from xteam_client import serving

from xteam_infra.layers.celery.needs import BEAT_TASKS, BEAT_UNIT, worker_unit
from xteam_infra.plan.compose import plans

ON_HOST = Path(__file__).with_name("instance_on_host.py")
# A check of an instance that is killed must not meet one that looks at which instances there are.
pytestmark = pytest.mark.serial("instances")
# An edge asks every three seconds.
ASKED_SECONDS = 15


@pytest.mark.group("app")
@pytest.mark.item("INF-01")
def test_killed_api_instance_is_restarted(host, estate):
    """Its main process is gone without a word (kill -9). The other instance goes on serving: no request fails."""
    edges = estate.members("edge")
    edge = edges[0].address if edges else host.address
    command = f"flock --timeout 60 /run/lock/xteam-switch python3 -I - {edge} {estate.all.domain}"
    said = host.run_with_stdin(command, ON_HOST.read_text(), timeout=60 + 3 * estate.app.api_ready_seconds)
    assert said.rc == 0, f"no instance could be killed on {host.name}: {said.stderr.strip()[-500:]}"
    seen = json.loads(said.stdout)
    assert seen["ready_seconds"] is not None, f"instance {seen['instance']} does not become ready to be killed"
    again = (
        f"instance {seen['instance']} of {host.name} is not ready again: {seen['state']}, {seen['restarts']} restarts"
    )
    assert seen["again_seconds"] is not None, again
    assert seen["restarts"] == 1, f"it took {seen['restarts']} starts until it was ready"
    failed = [status for status in seen["answers"] if status not in ("200", "429")]
    assert not failed, f"of {len(seen['answers'])} users' requests {len(failed)} failed: {', '.join(failed)}"
    assert seen["answers"].count("200") >= 3, f"too few users' requests to say anything: {seen['answers']}"


@pytest.mark.group("app", "worker")
@pytest.mark.item("INF-01")
def test_units_have_restart_policy_and_limits(host, estate):
    """However often it ends. Memory as the host's plan adds it up, tasks and CPU as set."""
    memory = plans(estate)[host.name].memory_mb
    api, celery = estate.app, estate.celery
    limits = {BEAT_UNIT: (memory.get("beat"), BEAT_TASKS, None)}
    for name in celery.celery_workers:
        unit = worker_unit(name)
        limits[unit] = (memory.get(f"worker-{name}"), celery.celery_tasks_max, celery.celery_worker_cpu_percent)
    limits[serving(host, estate)[0]] = (memory.get("api-blue"), api.api_tasks_max, api.api_cpu_percent)
    for unit in units_of(host, estate):
        check_limits(host, unit, *limits[unit])
        shown = host.check_output(f"systemctl show --property Restart,StartLimitIntervalUSec {unit}")
        found = dict(line.split("=", 1) for line in shown.splitlines())
        assert found == {"Restart": "always", "StartLimitIntervalUSec": "0"}, f"{unit} is given up: {shown}"


@pytest.mark.group("app")
@pytest.mark.item("INF-01")
def test_edges_check_api_readiness(host, estate, eventually):
    """What the instance has noted of their questions. The workers' health is asked by their watch."""
    unit, _ = serving(host, estate)
    state = f"/run/{unit.replace('@', '-').removesuffix('.service')}"
    look = f"find {state} -maxdepth 1 -name '*-200' -newermt '-{ASKED_SECONDS} seconds' -printf '%f\\n'"

    def asked():
        said = host.run(look).stdout.split()
        silent = {machine.name for machine in estate.members("edge") if f"{machine.address}-200" not in said}
        assert not silent, f"{', '.join(sorted(silent))} did not ask {unit} in {ASKED_SECONDS} s"
        return True

    eventually(asked, seconds=30, interval=1)

"""Releases on the hosts: one instance serves each host, and a user gets through it and through every edge."""

import pytest
from xteam_client import serving

from xteam_infra.plan.app import COLOURS


@pytest.mark.group("app")
def test_one_instance_serves(host):
    """It starts at boot and gets requests; the other one does neither. A half-done roll would show here."""
    states = {}
    for colour in COLOURS:
        unit = f"xteam-api@{colour}.service"
        words = host.check_output(f"systemctl show -p ActiveState -p UnitFileState --value {unit}").split()
        held = host.run(f"test -e /run/xteam-roll/{colour}").rc == 0
        states[colour] = f"{' '.join(words)}{' held' if held else ''}"
    assert sorted(states.values()) in (["active enabled", "inactive"], ["active enabled", "inactive disabled"]), states


@pytest.mark.group("app")
def test_every_process_runs_the_release_in_use(host, estate):
    """The API and the link agree; the workers' processes are asked by the celery layer's checks."""
    unit, _ = serving(host, estate)
    in_use = host.check_output("readlink /opt/xteam/current").rpartition("/")[2]
    pid = host.check_output(f"systemctl show --property MainPID --value {unit}").strip()
    served = host.check_output(f"tr '\\0' '\\n' < /proc/{pid}/environ | sed -n 's/^RELEASE=//p'").strip().strip('"')
    assert served == in_use, f"the API serves {served}, in use is {in_use}"


@pytest.mark.group("app")
@pytest.mark.item("POST-03", "CI-11")
def test_users_get_through_each_instance(host, estate):
    """Log in, have a task done, talk, keep a file, log out: at the instance itself."""
    _, port = serving(host, estate)
    use(host, f"{host.address}:{port} --server-name {estate.fqdn(host.machine.name)}")


@pytest.mark.group("edge")
@pytest.mark.item("POST-03", "CI-11")
def test_users_get_through_each_edge(host, hosts):
    """The same from outside, by the public name."""
    use(hosts.group("app")[0], f"{host.address}:443")


def use(host, where):
    said = host.run(f"xteam-smoke --connect {where}", timeout=180)
    assert said.rc == 0, said.stderr.strip()[-1000:]


@pytest.mark.group("app")
@pytest.mark.item("DB-04")
def test_migrations_have_one_head_and_a_way_back(host):
    said = host.run("xteam-migrate verify")
    assert said.rc == 0, said.stderr.strip()

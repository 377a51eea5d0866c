"""Drills on updates: a new configuration file, a package held back, a host that can't be spared; and on reboots."""

import time
from pathlib import Path

import pytest

from checklist.run import not_applicable
from tests.drills.harness.cluster import PATIENCE
from tests.drills.harness.people import Outsiders

NEWER = Path(__file__).parent / "harness" / "newer.sh"
OFFER, SOURCE = "/var/lib/xteam-drill-packages", "/etc/apt/sources.list.d/xteam-drill.list"
ORIGIN = "/etc/apt/apt.conf.d/95xteam-drill"
PACKAGE, CONFFILE = "etcd-server", "/etc/default/etcd"
VERSION = f"dpkg-query -W -f '${{Version}}' {PACKAGE}"
# As the timer does, whatever it has done today.
UPGRADE = "rm -f /var/lib/apt/periodic/upgrade-stamp; systemctl start apt-daily-upgrade.service"
RESULT = "systemctl show --property Result --value apt-daily-upgrade.service"
LOOK_SECONDS = 900
BOOT = "cat /proc/sys/kernel/random/boot_id"
WAITS = "touch /run/reboot-required"


def whole(host):
    """Assert that the host says that all it belongs to is well."""
    said = host.run("xteam-updates whole")
    assert said.rc == 0, f"{host.name}: {said.stdout}"
    return True


@pytest.fixture
def all_whole(hosts, eventually):
    """Wait until every host says so: `all_whole()`."""

    def wait():
        for host in hosts:
            eventually(lambda one=host: whole(one), seconds=PATIENCE, interval=2)

    wait()
    return wait


@pytest.fixture
def newer(host, eventually):
    """A newer package on offer to the host, with a new version of a file that we have written. Put back afterwards."""
    before = host.check_output(f"sha256sum {CONFFILE}")
    eventually(lambda: whole(host), seconds=PATIENCE, interval=2)
    said = host.run_with_stdin(f"bash -s {OFFER} {SOURCE} {PACKAGE} {CONFFILE}", NEWER.read_text(), timeout=300)
    assert said.rc == 0, said.stderr[-300:]
    old, new = said.stdout.split()
    host.check_output(f"echo 'Unattended-Upgrade::Origins-Pattern {{ \"origin=xteam-drill\"; }};' > {ORIGIN}")
    yield old, new
    host.check_output(f"apt-mark -qq unhold {PACKAGE}; rm -rf {OFFER} {SOURCE} {ORIGIN}; apt-get -q update")
    if host.check_output(VERSION) != old:
        install = "apt-get -q -y --allow-downgrades --no-install-recommends install"
        host.run(f"DEBIAN_FRONTEND=noninteractive {install} {PACKAGE}={old}", timeout=300)
    eventually(lambda: whole(host), seconds=PATIENCE, interval=2)
    host.run(f"rm -f {CONFFILE}.dpkg-dist; {UPGRADE}", timeout=600)
    assert host.check_output(f"sha256sum {CONFFILE}") == before, f"{CONFFILE} is another one than before"


@pytest.mark.item("OPS-01", kind="drill")
@pytest.mark.group("etcd", first=True)
def test_unattended_update_with_conffile_installs(host, newer):
    """Ours stays, the package is new, its service runs, and nothing was held back."""
    before = host.check_output(f"sha256sum {CONFFILE}")
    host.run(UPGRADE, timeout=600)
    assert host.check_output(RESULT) == "success"
    assert host.check_output(VERSION) == newer[1], "it was held back"
    assert host.check_output(f"sha256sum {CONFFILE}") == before, f"{CONFFILE} was replaced"
    assert host.json("xteam-updates status")["kept_back"] == []
    assert host.check_output("systemctl is-active etcd.service") == "active"


@pytest.mark.item("OPS-01", kind="drill")
@pytest.mark.group("etcd", first=True)
def test_unhealthy_cluster_blocks_update_and_reboot(host, hosts, newer, faults, deploys, all_whole):
    """A member on another host, or where there is no other, on this one."""
    boot = host.check_output(BOOT)
    down = hosts.group("etcd")[-1].name
    faults.stop(down, "etcd.service")
    host.run(UPGRADE, timeout=300)
    assert host.check_output(RESULT) == "exec-condition", "it was not asked whether the host can be spared"
    assert host.check_output(VERSION) == newer[0], "updates were installed with a member down"
    status, said = deploys("reboot", hosts=host.name)
    assert status != 0 and "no host was changed" in said and f"host {down}: whole" in said, said[-1000:]
    assert host.check_output(BOOT) == boot, "it was rebooted with a member down"
    faults.start_unit(down, "etcd.service")
    all_whole()


@pytest.mark.item("OPS-01", kind="drill")
@pytest.mark.group("etcd", first=True)
def test_updates_runbook_reboots_waiting_hosts(host, newer, runbook, all_whole):
    """A package is held back, seen, and installed; then the host is rebooted, and is whole afterwards."""
    book = runbook("updates")
    host.check_output(f"apt-mark -qq hold {PACKAGE}")
    host.run(UPGRADE, timeout=600)
    assert host.json("xteam-updates status")["kept_back"] == [PACKAGE]
    assert PACKAGE in book.run("look", host)
    host.check_output(f"apt-mark -qq unhold {PACKAGE}")
    book.run("simulate", host, PACKAGE=PACKAGE)
    book.run("install", host, PACKAGE=PACKAGE)
    assert host.check_output(VERSION) == newer[1] and host.json("xteam-updates status")["kept_back"] == []
    all_whole()
    boot = host.check_output(BOOT)
    host.check_output(WAITS)
    assert f"in this order: {host.name}" in book.run("who")
    book.run("reboot", HOST=host.name)
    host.reconnect()
    assert host.check_output(BOOT) != boot, "the host was not rebooted"
    book.run("whole", host)
    book.run("stay", host)
    assert host.json("xteam-updates status")["reboot_since"] is None


@pytest.fixture
def outsiders(tmp_path, hosts, estate):
    """Users who come to the edges' shared address from beside the estate; erased afterwards."""
    several = all(len(hosts.group(group)) > 1 for group in ("edge", "app", "worker", "postgres", "redis"))
    if not several or estate.edge.edge_floating_address is None:
        not_applicable("not two hosts or more of each group: users wait while the only one is rebooted")
    found = Outsiders(tmp_path, hosts.group("app")[0], estate, task_seconds=PATIENCE)
    yield found
    found.remove()


@pytest.mark.item("OPS-01", kind="drill")
def test_rolling_reboot_fails_no_request(hosts, all_whole, outsiders, deploys, eventually, figures):
    """Every host, one after another: no request of a user fails, and all that was acknowledged is there."""
    boots = {host.name: host.check_output(BOOT) for host in hosts}
    eventually(lambda: len(outsiders.requests()) > 20, seconds=120, interval=1)
    began = time.monotonic()
    deploys.good("reboot", hosts=",".join(boots), now=True)
    figures["seconds"] = round(time.monotonic() - began)
    outsiders.stop()
    for host in hosts:
        host.reconnect()
        assert host.check_output(BOOT) != boots[host.name], f"{host.name} was not rebooted"
    figures["requests"], failed = len(outsiders.requests()), outsiders.failed()
    figures["requests_failed"] = len(failed)
    figures["slowest_seconds"] = max(float(line.split()[1]) for line in outsiders.requests())
    lost = outsiders.look(hosts.group("edge")[0], figures, LOOK_SECONDS)
    assert not lost, f"{len(lost)} of what was acknowledged: {'; '.join(lost[:10])}; {figures}"
    assert not failed, f"{failed[:10]}; {figures}"


@pytest.mark.item("OPS-01", kind="drill")
@pytest.mark.group("redis", first=True)
def test_waiting_host_reboots_itself_in_window(host, all_whole, eventually):
    """What its timer starts: nothing while nothing waits; otherwise it hands over, reboots, and is whole again."""
    boot = host.check_output(BOOT)
    host.check_output("systemctl start xteam-reboot.service")
    assert host.check_output(BOOT) == boot, "it was rebooted for nothing"
    host.check_output(WAITS)
    host.run("systemctl start --no-block xteam-reboot.service")

    def again():
        host.reconnect()
        assert host.check_output(BOOT) != boot
        return True

    eventually(again, seconds=PATIENCE, interval=2)
    all_whole()

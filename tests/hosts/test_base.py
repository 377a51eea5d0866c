"""The base layer: the operating system as it runs, not as its files say."""

import json
import re
import time

import pytest

from checklist.run import not_applicable
from xteam_infra.layers.base.needs import upgrade_at
from xteam_infra.layers.base.override_facts import ConfigurationLines
from xteam_infra.layers.base.overrides import OURS, overriding, overriding_drop_ins
from xteam_infra.plan.compose import plans

# Of the system itself: needrestart may restart them.
SYSTEM_UNITS = ("ssh.service", "nftables.service", "unattended-upgrades.service", "systemd-journal-upload.service")
SECONDS = {"": 1, "s": 1, "min": 60, "h": 3600, "day": 86400, "days": 86400, "week": 604800, "month": 2629800}


@pytest.fixture
def sshd(host):
    """The settings the SSH server runs with, by lower case name (the last of repeated ones)."""
    return dict(line.split(" ", 1) for line in host.check_output("sshd -T").splitlines() if " " in line)


def test_ssh_accepts_keys_only(host, sshd):
    """Asks the server itself, as a stranger: it must offer no other method than a key."""
    assert sshd["permitrootlogin"] == "no", "root may log in over SSH"
    offered = host.run(
        "ssh -o PreferredAuthentications=none -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null"
        " -o BatchMode=yes stranger@127.0.0.1 true"
    ).stderr
    methods = re.findall(r"Permission denied \((.*)\)", offered)
    assert methods == ["publickey"], f"SSH offers {methods or offered}"


# The controller's SSH library knows no key exchange that also stands quantum computers; what does is preferred to it.
CLASSICAL = ("curve25519-sha256", "curve25519-sha256@libssh.org")


def test_ssh_audit_finds_no_weak_algorithm(host, controller):
    """ssh-audit speaks with the server from outside, and warns of nothing but what is known."""
    machine = host.machine
    where = f"{machine.ssh_hostname}:{machine.ssh_port}"
    audit = json.loads(controller("ssh_audit.ssh_audit", "--json", "--skip-rate-test", "--timeout", "30", where).stdout)
    bad = {
        f"{sort} {one['algorithm']}": notes
        for sort in ("kex", "key", "enc", "mac")
        for one in audit[sort]
        if (notes := [*one["notes"].get("fail", []), *one["notes"].get("warn", [])])
    }
    known = {f"kex {name}" for name in CLASSICAL}
    assert set(bad) <= known, f"ssh-audit: {bad}"
    offered = [one["algorithm"] for one in audit["kex"]]
    preferred = [name for name in offered if not name.startswith(("ext-info", "kex-strict"))]
    assert preferred[-2:] == list(CLASSICAL), f"preferred to a stronger key exchange: {preferred}"
    assert not audit["cves"], f"known weaknesses of this server: {audit['cves']}"


def test_ssh_forwards_nothing(sshd):
    for setting in ("x11forwarding", "allowtcpforwarding", "allowagentforwarding", "permittunnel"):
        assert sshd[setting] == "no", f"{setting} is {sshd[setting]}"


@pytest.fixture
def kernel(host, estate):
    """Kernel settings that don't run with the value the host's layers asked for: (settable here, not settable)."""
    wanted = plans(estate)[host.name].sysctls
    answers = host.run("sysctl -e " + " ".join(sorted(wanted))).stdout
    running = {key: value.split() for key, value in (line.split(" = ", 1) for line in answers.splitlines())}
    wrong = {key: running.get(key) for key, value in wanted.items() if running.get(key) != value.split()}
    paths = " ".join(f"/proc/sys/{key.replace('.', '/')}" for key in wrong)
    writable = host.run(f"for path in {paths}; do test -w $path && echo $path; done").stdout
    settable = {path.removeprefix("/proc/sys/").replace("/", ".") for path in writable.split()}
    return {k: v for k, v in wrong.items() if k in settable}, {k: v for k, v in wrong.items() if k not in settable}


def test_kernel_settings(kernel):
    assert not kernel[0], f"the kernel runs with {kernel[0]}"


def test_kernel_settings_of_the_machine(kernel):
    """A container shares its machine's kernel and can't change these; a machine of its own must have them."""
    if kernel[1]:
        not_applicable(f"this host may not set {', '.join(sorted(kernel[1]))}")


def test_names_of_the_estate_resolve(host, estate):
    """To the addresses of the inventory: without asking any name server, and as programs ask."""
    for machine in estate.machines:
        for name in (machine.name, estate.fqdn(machine.name)):
            for source in ("-s files", ""):
                answer = host.run(f"getent {source} ahostsv4 %s", name).stdout.split()
                assert answer[:1] == [machine.address], f"{name} resolves to {answer[:1]}, not {machine.address}"


def test_removed_names_return_to_etc_hosts(host, eventually):
    """The block is as it is to be, at every boot too; somebody who writes the file without it is noticed at once."""
    assert host.run("systemctl is-enabled xteam-hosts.service").stdout.strip() == "enabled", "not at boot"
    marks = "grep -c '^# [BE].* xteam-infra$' /etc/hosts"
    own = f"192.0.2.77 verify-{host.name}"
    host.check_output(
        f"sed '/^# BEGIN xteam-infra$/,/^# END xteam-infra$/d' /etc/hosts > /etc/hosts.verify; "
        f"echo '{own}' >> /etc/hosts.verify; mv -f /etc/hosts.verify /etc/hosts"
    )
    try:
        eventually(lambda: host.run(marks).stdout.strip() == "2", seconds=30, interval=0.5)
        assert own in host.check_output("tail -1 /etc/hosts"), "a line of the user's is lost"
    finally:
        host.check_output(f"sed -i '/^{own}$/d' /etc/hosts; xteam-hosts")


@pytest.fixture
def lines(host):
    """What others, and we, have written into the files and directories that are shared."""
    fact = ConfigurationLines()
    return fact.process(host.run(fact.command()).stdout.splitlines())


def test_no_foreign_setting_overrides_ours(host, lines):
    """Of somebody else's in another file: it would, now or from the next boot on."""
    won = [
        f"{one.path} line {one.number}: {one.text}, not {wanted}"
        for kind, path in OURS.items()
        for one, wanted in overriding(kind, path, host.file(path).content_string, lines)
    ]
    assert not won, "; ".join(won)


def test_no_foreign_drop_in_overrides_ours(lines):
    """A drop-in of a unit that sorts later and sets what one of ours, or our unit, sets."""
    won = [f"{one.path} line {one.number}: {one.text}, over {our.path}" for one, our in overriding_drop_ins(lines)]
    assert not won, "; ".join(won)


def test_time_zone(host, estate):
    assert host.check_output("readlink -f /etc/localtime") == f"/usr/share/zoneinfo/{estate.base.timezone}"


def test_journal_is_persistent_with_limits(host, estate):
    """journald says itself where it writes and how much it may use; how long shows only in its settings."""
    assert host.file("/var/log/journal").is_directory, "the journal does not survive a reboot"
    said = host.check_output("journalctl --unit systemd-journald --output cat --no-pager")
    sizes = re.findall(r"System Journal .* is .*, max (\S+), ", said)
    assert sizes, "journald does not write a persistent journal"
    assert _mebibytes(sizes[-1]) == estate.base.journal_max_use_mb, f"journald uses at most {sizes[-1]}"
    settings = dict(
        re.findall(r"^(\w+)=(.*)$", host.check_output("systemd-analyze cat-config systemd/journald.conf"), re.M)
    )
    number, unit = re.fullmatch(r"(\d+)(\w*)", settings["MaxRetentionSec"]).groups()
    assert int(number) * SECONDS[unit] == estate.base.journal_retention_days * 86400, "journal retention differs"


@pytest.mark.item("OPS-01")
def test_security_updates_are_unattended(host, estate):
    """apt's effective settings, the timers that act on them, and how their last run went."""
    if not estate.base.unattended_upgrades_enabled:
        pytest.fail("unattended_upgrades_enabled is False in group_data/base.py")
    assert host.package("unattended-upgrades").is_installed
    settings = dict(re.findall(r'^(\S+) "(.*)";$', host.check_output("apt-config dump"), re.M))
    for key in ("APT::Periodic::Update-Package-Lists", "APT::Periodic::Unattended-Upgrade"):
        assert settings.get(key) == "1", f"{key} is {settings.get(key)}"
    origins = host.check_output("apt-config dump Unattended-Upgrade::Origins-Pattern")
    assert "label=Debian-Security" in origins, "the security archive is not among the origins that are upgraded"
    for unit in ("apt-daily", "apt-daily-upgrade"):
        timer = host.service(f"{unit}.timer")
        assert timer.is_enabled and timer.is_running, f"{unit}.timer does not run"
        result = host.check_output(f"systemctl show --property Result --value {unit}.service")
        refused = " because xteam-updates whole said no" if result == "exec-condition" else ""
        assert result == "success", f"the last run of {unit} ended with {result}{refused}"


@pytest.mark.item("OPS-01")
def test_hosts_update_one_after_another(host, estate):
    """As systemd has it: at this host's minute and no other, and not while a cluster is not whole."""
    shown = host.check_output(
        "systemctl show --property TimersCalendar,RandomizedDelayUSec,Persistent apt-daily-upgrade.timer"
    )
    times = re.findall(r"OnCalendar=(\S+ \S+)", shown)
    wanted = f"*-*-* {upgrade_at(estate, estate.machine(host.name))}:00"
    assert times == [wanted], f"updates install themselves at {times}, not at {wanted}"
    assert "RandomizedDelayUSec=0" in shown and "Persistent=no" in shown, f"at other times too: {shown}"
    condition = host.check_output("systemctl show --property ExecCondition apt-daily-upgrade.service")
    assert "xteam-updates whole" in condition, "nothing is asked before updates install themselves"


@pytest.mark.item("OPS-01")
def test_health_command_reports_cluster_members(host, estate, eventually):
    """It asks about every cluster it belongs to, and now all of them are whole."""
    asked = set(host.json("cat /etc/xteam/updates.json")["whole"])
    assert asked == set(plans(estate)[host.name].whole), f"only {sorted(asked)} is asked about"

    def whole():
        """Other checks have instances restarted."""
        said = host.run("xteam-updates whole")
        assert said.rc == 0, f"updates would be refused: {said.stdout.strip()}"
        return True

    eventually(whole, seconds=120, interval=2)


@pytest.mark.item("OPS-01")
def test_no_update_is_held_back(host, estate):
    """Nothing was held back, and no host or service goes on with old files for longer than allowed."""
    waiting = host.json("xteam-updates status")
    assert not waiting["kept_back"], f"held back: {', '.join(waiting['kept_back'])}; docs/operations/updates.md"
    oldest = min(
        [moment for moment in (waiting["reboot_since"], *waiting["outdated_units"].values()) if moment], default=0
    )
    days = (time.time() - oldest) / 86400
    allowed = estate.base.updates_reboot_days
    assert not oldest or days <= allowed, (
        f"{', '.join(waiting['outdated_units']) or 'the host'} waits for a reboot for {days:.1f} days"
    )


@pytest.mark.item("OPS-01")
def test_changed_conffiles_do_not_block_updates(host):
    """Asked of unattended-upgrades itself, which would leave a package alone that brings a new one."""
    ask = "import runpy; print(runpy.run_path('/usr/bin/unattended-upgrade', run_name='x')['dpkg_conffile_prompt']())"
    assert host.check_output("python3 -c %s", ask) == "False", "an edited configuration file holds an update back"


@pytest.mark.item("OPS-01")
def test_needrestart_leaves_our_services_alone(host, estate):
    """As needrestart reads its settings, on the day somebody installs it: restarts are those of the rolling verbs."""
    ours = [unit for unit in plans(estate)[host.name].units if unit.endswith(".service") and unit not in SYSTEM_UNITS]
    read = (
        "our %nrconf = (override_rc => {}); do shift @ARGV or die; for my $u (@ARGV) {"
        " print qq($u\\n) unless grep { $u =~ /$_/ && !$nrconf{override_rc}{$_} } keys %{$nrconf{override_rc}} }"
    )
    said = host.check_output(f"perl -e '{read}' /etc/needrestart/conf.d/90-xteam.conf {' '.join(ours)}")
    assert not said, f"needrestart would restart {said.split()}"


def _mebibytes(size: str) -> float:
    number, unit = re.fullmatch(r"([\d.]+)([KMGT]?)", size).groups()
    return float(number) * {"K": 1 / 1024, "": 1 / 1048576, "M": 1, "G": 1024, "T": 1048576}[unit]

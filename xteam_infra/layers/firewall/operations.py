"""A ruleset that is reverted by itself (auto-revert) unless a fresh SSH connection succeeds under it, and what worked
works on."""

import shlex
from collections.abc import Collection, Mapping

from pyinfra import host
from pyinfra.api import operation

from xteam_infra.engine.commands import Commands
from xteam_infra.engine.host_packages import shell_command
from xteam_infra.engine.operations.auto_revert import AutoRevert, with_auto_revert
from xteam_infra.engine.operations.files import HostFile
from xteam_infra.layers.firewall.facts import LISTING, STAMP, Ruleset

CANDIDATE = "/etc/nftables.conf.candidate"
BEFORE = "/run/xteam-nftables.before"
REACHED = "/run/xteam-nftables.reached"
PROGRAMS = "/usr/local/sbin"
PROBE = f"{PROGRAMS}/xteam-firewall-probe"
METRICS = "xteam-firewall-metrics"
UNITS = ("service", "timer")


def probe_file() -> HostFile:
    """What tries whether the host still reaches what it reached."""
    return shell_command("xteam-firewall-probe")


def metrics_files() -> list[HostFile]:
    """What counts the refused packets, and its units."""
    units = [HostFile(f"/etc/systemd/system/{METRICS}.{kind}", f"firewall/{METRICS}.{kind}.j2") for kind in UNITS]
    return [shell_command(METRICS), *units]


@operation()
def ruleset_with_auto_revert(
    ruleset: HostFile, seconds: int, peers: Mapping[str, Collection[int]] | None = None
) -> Commands:
    """Load the ruleset, prove that SSH still works, then keep it. Otherwise it is taken back after `seconds`.

    It is taken back at once when a process of the host can't reach any more what it is connected to, or no name is
    found any more. peers: which ports other hosts of the estate have by their plans. What is connected to another one
    of theirs is about to end there, such as a Redis role that was taken away: it is cut.
    """
    running = host.get_fact(Ruleset)
    reached = f"{PROBE} | {_still_there(peers)}" if peers else PROBE
    take_back = f"nft delete table inet xteam; nft -f {BEFORE}"
    lost = f"lost=$({PROBE} {REACHED}) || {{ {take_back}; systemctl stop xteam-firewall-revert.timer; {_explained()} }}"
    keep = [
        f"chmod {ruleset.mode} {CANDIDATE}; mv -fT {CANDIDATE} {ruleset.dest}; rm -f {BEFORE} {REACHED}",
        # Started too, so that its state says that rules are loaded; it loads the same file again.
        "systemctl enable -q nftables.service; systemctl start nftables.service",
        f"mkdir -p {STAMP.rsplit('/', 1)[0]}; {LISTING} > {STAMP}",
    ]
    revert = AutoRevert(
        timer="xteam-firewall-revert",
        hint="Check management_networks in group_data/all.py",
        candidate=CANDIDATE,
        check=f"nft -c -f {CANDIDATE}",
        save=f"nft -t list table inet xteam > {BEFORE} 2>/dev/null || : > {BEFORE}; {reached} > {REACHED}",
        take_back=take_back,
        apply=f"nft -f {CANDIDATE}; {lost}",
        keep=("; ".join(keep),),
    )
    yield from with_auto_revert(ruleset, running.running and running.enabled, revert, seconds)


def _still_there(peers: Mapping[str, Collection[int]]) -> str:
    """Shell: of the probe's lines, those that lead nowhere in the estate where nothing shall be."""
    hosts = " ".join(sorted(peers))
    known = " ".join(f"{address}:{port}" for address in sorted(peers) for port in sorted(peers[address]))
    keep = '!(index(hosts, " " $1 " ") && !index(known, " " $1 ":" $2 " "))'
    return f"awk -v hosts=' {hosts} ' -v known=' {known} ' {shlex.quote(keep)}"


def _explained() -> str:
    """Shell: say what would be cut, and fail. $lost has a name, or an address, a port and a user's id, on each line."""
    allowed = (
        "declare it: app_upstreams in group_data/app.py, or extra_outbound, name_servers, mirror_networks in"
        " group_data/firewall.py"
    )
    return (
        f'echo "the old rules are back; the new ones would cut: $(echo "$lost" | paste -sd ,). {allowed}" >&2; exit 1;'
    )

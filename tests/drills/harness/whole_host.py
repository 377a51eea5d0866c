"""What a host is after its boot: units, sockets, mounts, rules, names and settings, to be compared with before."""

import re

from xteam_infra.plan.compose import plans

# Coming and going by themselves: what systemd-run and logins make, and what only a boot starts.
PASSING = re.compile(r"^(run-|user@|user-runtime-dir@|session-|dev-|sys-|proc-|systemd-tmpfiles-clean\.)")
# What every service with credentials or its own view of the file system has while it runs.
OWN_MOUNTS = re.compile(r"^/(run/credentials|run/user|proc|sys|dev)(/|$)")
EPHEMERAL = 32_768
KINDS = "service,socket,timer,mount,path,target"


def record(host, estate) -> dict[str, object]:
    """Everything of a host that a boot must bring back."""
    sysctls = " ".join(sorted(plans(estate)[host.name].sysctls))
    units = " ".join(sorted(plans(estate)[host.name].units))
    say = host.check_output
    return {
        "active units": _lasting(say(f"systemctl list-units --plain --no-legend --state=active --type={KINDS}")),
        "units of the plan": _states(say(f"systemctl show --property Id,ActiveState,UnitFileState {units}")),
        "failed units": _units(say("systemctl list-units --plain --no-legend --state=failed")),
        "enabled units": _units(say("systemctl list-unit-files --plain --no-legend --state=enabled,masked")),
        "listeners": _listeners(say("ss -Hltunp")),
        "mounts": sorted(
            line for line in say("findmnt -rno TARGET,FSTYPE").splitlines() if not OWN_MOUNTS.match(line.split()[0])
        ),
        "nftables": say("nft -s list ruleset"),
        "names": sorted(say("getent -s files hosts").splitlines()),
        "name servers": say("grep -v '^#' /etc/resolv.conf"),
        "kernel settings": host.run(f"sysctl -e {sysctls}").stdout,
        "sshd": sorted(say("sshd -T").splitlines()),
        "apt": sorted(say("apt-config dump").splitlines()),
        "journald": say("systemd-analyze cat-config systemd/journald.conf"),
    }


def differences(before: dict[str, object], after: dict[str, object]) -> list[str]:
    """One line for each thing that is there only before or only after."""
    found = []
    for what, old in before.items():
        new = after[what]
        if isinstance(old, str) and isinstance(new, str):
            old, new = old.splitlines(), new.splitlines()
        found += [f"{what}: gone: {one}" for one in sorted(set(old) - set(new))]  # type: ignore[call-overload] # what is no text is a list
        found += [f"{what}: new: {one}" for one in sorted(set(new) - set(old))]  # type: ignore[call-overload] # what is no text is a list
    return found


def _units(listing: str) -> list[str]:
    words = [line.replace("●", " ").split() for line in listing.splitlines()]
    return sorted(line[0] for line in words if line and not PASSING.match(line[0]))


def _lasting(listing: str) -> list[str]:
    """Not those that have done their work ("exited"): some of them only the first boot has."""
    return _units("\n".join(line for line in listing.splitlines() if line.replace("●", " ").split()[3] != "exited"))


def _states(shown: str) -> list[str]:
    return sorted(" ".join(block.splitlines()) for block in shown.split("\n\n"))


def _listeners(listing: str) -> list[str]:
    found = set()
    for line in listing.splitlines():
        protocol, _, _, _, local, *rest = line.split()
        address, port = local.rsplit(":", 1)
        if int(port) < EPHEMERAL:
            programs = sorted(set(re.findall(r'\("([^"]+)"', " ".join(rest))))
            found.add(f"{protocol} {address}:{port} {','.join(programs)}")
    return sorted(found)

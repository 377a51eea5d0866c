"""What every inventory shares: how a host is described, and what is refused before anything is connected.

Import these under names with an underscore: pyinfra takes every other list or tuple for a group.
"""

from collections.abc import Iterator, Mapping
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import click
from pyinfra import config

from xteam_infra.engine import absent
from xteam_infra.errors import Problem, SettingsError

Member = tuple[str, dict[str, Any]]

# What the files in the repository hold until you fill them in, and the address ranges of documentation (RFC 5737).
PLACEHOLDER = "CHANGE-ME"
UNFILLED = (PLACEHOLDER, "192.0.2.", "198.51.100.", "203.0.113.", "example.com", "example.org", "example.net")
KNOWN_HOSTS = "inventories/known_hosts"

# A host that fails stops the run: no later layer is built on a broken one.
config.FAIL_PERCENT = 0


def host(
    name: str,
    ssh_hostname: str,
    region: str,
    *,
    address: str = "",
    ssh_user: str = "deploy",
    ssh_key: str = "",
    ssh_known_hosts_file: str = KNOWN_HOSTS,
    **more: Any,
) -> Member:
    """One host.

    name: what it is called everywhere; becomes NAME.<internal_domain>.
    ssh_hostname: where the controller reaches it. ssh_user: has your key, and sudo without a password.
    region: the availability zone or site; backups belong in another one.
    address: where the other hosts reach it, if that differs (a private network).
    ssh_key: path of the private key; empty: the SSH agent's.
    more: further connection data of pyinfra, such as ssh_port.
    """
    data = {
        "ssh_hostname": ssh_hostname,
        "ssh_user": ssh_user,
        "ssh_known_hosts_file": ssh_known_hosts_file,
        "ssh_strict_host_key_checking": "yes",
        "address": address or ssh_hostname,
        "region": region,
        **({"ssh_key": ssh_key} if ssh_key else {}),
        **more,
    }
    return name, data


def check(inventory: Mapping[str, Any]) -> None:
    """Last line of an inventory: `_check(globals())`. Raises SettingsError with everything that is wrong."""
    file = inventory["__file__"]
    groups = {name: members for name, members in inventory.items() if name[0] != "_" and isinstance(members, list)}
    hosts = dict(_named(member) for members in groups.values() for member in members)
    problems = [*_hosts_problems(file, hosts), *_option_problems(file, groups, hosts)]
    if problems:
        raise SettingsError(problems)
    context = click.get_current_context(silent=True)
    if context and context.params.get("operations"):
        command = " ".join(["pyinfra", context.params["inventory"], *context.params["operations"]])
        absent.report_at_end(command, f"pyinfra {context.params['inventory']} deploys/all.py")


def _named(member: str | Member) -> Member:
    return (member, {}) if isinstance(member, str) else member


def _hosts_problems(file: str, hosts: dict[str, dict[str, Any]]) -> Iterator[Problem]:
    if not hosts:
        yield Problem(file, "hosts", "none", "at least one host in one group")
    taken: dict[str, str] = {}
    for name, data in hosts.items():
        for key in ("ssh_hostname", "address", "region", "ssh_user", "ssh_key"):
            value = str(data.get(key, ""))
            if key == "address" and value == data.get("ssh_hostname"):
                continue
            if any(word in value for word in UNFILLED):
                yield Problem(file, f"{name}: {key}", repr(value), "your own value, not the placeholder")
        address = data.get("address", "")
        if address and PLACEHOLDER not in address and taken.setdefault(address, name) != name:
            yield Problem(file, f"{name}: address", address, f"an address of its own; {taken[address]} has this one")
    for path in sorted({data["ssh_known_hosts_file"] for data in hosts.values() if "ssh_known_hosts_file" in data}):
        if not Path(path).exists():
            fix = f"the hosts' SSH keys: ssh-keyscan -t ed25519 HOST... > {path}, then compare with the hosts' consoles"
            yield Problem(file, "ssh_known_hosts_file", f"there is no {path}", fix)


def _option_problems(file: str, groups: Mapping[str, list], hosts: Mapping[str, Any]) -> Iterator[Problem]:
    """pyinfra itself runs on no host and exits 0 when --limit matches none."""
    context = click.get_current_context(silent=True)
    options = context.params if context else {}
    wholes = {**groups, "all": list(hosts), Path(file).stem: list(hosts)}
    left = set(hosts)
    absent.declare_down(())
    for option in ("limit", "exclude"):
        matched: set[str] = set()
        for pattern in options.get(option) or ():
            if pattern in wholes:
                found = {_named(member)[0] for member in wholes[pattern]}
            else:
                found = {name for name in hosts if fnmatch(name, pattern)}
            if hosts and not found:
                allowed = f"a host ({', '.join(hosts)}), a pattern of hosts, or a group that has some"
                yield Problem(file, f"--{option}", f"{pattern} matches no host", allowed)
            matched |= found
        if matched:
            left = left & matched if option == "limit" else left - matched
        if option == "exclude":
            absent.declare_down(matched)
    yield from absent.majority_problems(file, {name: [_named(one)[0] for one in some] for name, some in groups.items()})
    if hosts and not left:
        yield Problem(file, "--exclude", "every host is excluded", "at least one host to work on")

"""Turns a lab that is up into pyinfra groups; inventories/lab.py is the only user."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from lab.errors import LabError
from lab.network import FLOATING_HOST
from lab.state import STATE, default_name
from lab.topology import GROUPS

Member = tuple[str, dict[str, Any]]


def groups(name: str | None = None, state_directory: Path = STATE) -> dict[str, list[Member]]:
    """Return every group's members, as pyinfra wants them; a group nobody is in is an empty list.

    Raises LabError, which says what to do, when the lab is not up or can't be read.
    """
    name = name or default_name()
    lab = read(name, state_directory)
    members: dict[str, list[Member]] = {group: [] for group in GROUPS}
    for host in lab["hosts"]:
        for group in host["groups"]:
            members[group].append((host["name"], _data(lab["ssh"], host)))
    if not any(members.values()):
        raise LabError(f"lab {name} has no hosts: `python -m lab down --name {name}`, then up again")
    return members


def read(name: str, state_directory: Path = STATE) -> dict[str, Any]:
    """Read a lab's lab.json. Raises LabError when the lab is not up."""
    path = state_directory / name / "lab.json"
    try:
        lab: dict[str, Any] = json.loads(path.read_text())
    except PermissionError:
        raise LabError(f"{path} is readable by root only: run this as root") from None
    except FileNotFoundError:
        raise LabError(
            f"lab {name!r} is not up: start it with `python -m lab up --name {name} --topology solo` (or ha); "
            "XTEAM_LAB names the lab that inventories/lab.py reads"
        ) from None
    if lab.get("schema") != 1:
        raise LabError(f"{path} is of another version of the lab: take that lab down and up again")
    return lab


def _data(ssh: dict[str, str], host: dict[str, Any]) -> dict[str, Any]:
    return {
        "ssh_hostname": host["address"],
        "ssh_user": ssh["user"],
        "ssh_key": ssh["key"],
        "ssh_known_hosts_file": ssh["known_hosts"],
        "ssh_strict_host_key_checking": "yes",
        "address": host["address"],
        "region": host["region"],
    }


def controllers(name: str | None = None, state_directory: Path = STATE) -> tuple[str, ...]:
    """The addresses this machine reaches the lab's hosts from, one a region, as /32 networks.

    Empty when the lab is not up: group_data/lab.py is also read for other inventories.
    """
    try:
        lab = read(name or default_name(), state_directory)
    except LabError:
        return ()
    return tuple(sorted({f"{host['address'].rsplit('.', 1)[0]}.1/32" for host in lab["hosts"]}))


def floating_address(group: str, name: str | None = None, state_directory: Path = STATE) -> str | None:
    """An address with its prefix that hosts of a group may share; None unless there are several, in one region."""
    try:
        hosts = [one for one in read(name or default_name(), state_directory)["hosts"] if group in one["groups"]]
    except LabError:
        return None
    networks = {host["address"].rsplit(".", 1)[0] for host in hosts}
    return f"{networks.pop()}.{FLOATING_HOST}/24" if len(hosts) > 1 and len(networks) == 1 else None


def object_storage(name: str | None = None, state_directory: Path = STATE) -> dict[str, str] | None:
    """Endpoint (host:port) and authority (a file) of the lab's S3; None without a lab, or without a backup host."""
    return _server("object_storage", name, state_directory)


def error_tracker(name: str | None = None, state_directory: Path = STATE) -> dict[str, str] | None:
    """Where the lab's error tracker is asked (`api`); None without a lab, or without a host of the application."""
    return _server("error_tracker", name, state_directory)


def _server(what: str, name: str | None, state_directory: Path) -> dict[str, str] | None:
    try:
        return read(name or default_name(), state_directory).get(what)
    except LabError:
        return None

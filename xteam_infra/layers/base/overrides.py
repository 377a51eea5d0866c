"""Which lines of others' configuration files win over ours."""

import re
from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath

from xteam_infra.layers.base.override_facts import Line

# Where our part of what others write too is.
OURS = {
    "sysctl": "/etc/sysctl.d/60-xteam.conf",
    "journald": "/etc/systemd/journald.conf.d/10-xteam.conf",
    "sshd": "/etc/ssh/sshd_config.d/10-xteam.conf",
    "apt": "/etc/apt/apt.conf.d/20auto-upgrades",
}
_ASSIGNMENT = {
    "sysctl": re.compile(r"-?([^=\s]+)\s*=\s*(.*)"),
    "journald": re.compile(r"(\w+)\s*=\s*(.*)"),
    "sshd": re.compile(r"(\w+)[\s=]+(.*)"),
    "apt": re.compile(r'([\w:-]+)\s+"(.*)";'),
}

# What systemd adds up over all files; only an empty value takes away what was said before.
ADDED = {
    *("After", "Before", "Wants", "Requires", "Conflicts", "BindsTo", "PartOf", "RequiresMountsFor", "Documentation"),
    *("WantedBy", "Environment", "EnvironmentFile", "PassEnvironment", "LoadCredential", "SupplementaryGroups"),
    *("ReadWritePaths", "ReadOnlyPaths", "InaccessiblePaths", "BindPaths", "BindReadOnlyPaths", "TemporaryFileSystem"),
    *("ExecStart", "ExecStartPre", "ExecStartPost", "ExecReload", "ExecStop", "ExecStopPost", "ExecCondition"),
    *("PathChanged", "ListenStream", "DeviceAllow", "SystemCallFilter"),
}


def assignment(kind: str, text: str) -> tuple[str, str] | None:
    """(key, value) of a line, as the program that reads it compares them; None when it sets nothing."""
    found = _ASSIGNMENT[kind].fullmatch(text.strip())
    if not found:
        return None
    key, value = found[1], " ".join(found[2].split())
    if kind == "sysctl":
        return key.replace("/", "."), value
    return (key.lower() if kind in ("sshd", "apt") else key), value


def overriding(kind: str, ours: str, text: str, lines: list[Line]) -> Iterator[tuple[Line, str]]:
    """(line, the value we want) of each line that gives one of our keys another value and wins over it.

    ours: path of our file. text: what is in it.
    """
    wanted = dict(pair for line in text.splitlines() if (pair := assignment(kind, line)))
    conditional: Mapping[str, int] = _match_blocks(lines) if kind == "sshd" else {}
    for line in lines:
        if line.kind != kind or line.path == ours:
            continue
        pair = assignment(kind, line.text)
        if not pair or pair[0] not in wanted or pair[1] == wanted[pair[0]]:
            continue
        in_match = line.path in conditional and line.number > conditional[line.path]
        if in_match or _wins(kind, line, ours, lines):
            yield line, wanted[pair[0]]


def _match_blocks(lines: list[Line]) -> dict[str, int]:
    """The first line of each of sshd's files from which on settings are conditional: those win over any other."""
    found: dict[str, int] = {}
    for line in lines:
        if line.kind == "sshd" and line.text.lower().startswith("match "):
            found[line.path] = min(line.number, found.get(line.path, line.number))
    return found


def _wins(kind: str, line: Line, ours: str, lines: list[Line]) -> bool:
    name, our_name = PurePosixPath(line.path).name, PurePosixPath(ours).name
    if kind == "sshd":  # the first value counts
        if line.path == "/etc/ssh/sshd_config":
            includes = [one.number for one in lines if one.path == line.path and one.text.lower().startswith("include")]
            return not includes or line.number < includes[0]
        return name < our_name
    if kind == "apt" and line.path == "/etc/apt/apt.conf":
        return True
    return name > our_name


def overriding_drop_ins(lines: list[Line]) -> Iterator[tuple[Line, Line]]:
    """(a line of somebody's drop-in, the line of our unit or drop-in in whose place it counts)."""
    ours = {line.path for line in lines if line.kind == "own"}
    units = [line for line in lines if line.kind == "unit" and "=" in line.text]
    set_by_us: dict[tuple[str, str], dict[str, Line]] = {}
    for line in units:
        if line.path in ours:
            set_by_us.setdefault((_template(_unit(line)), _key(line)), {})[_unit(line)] = line
    for line in units:
        key, adds = _key(line), bool(line.text.split("=", 1)[1].strip())
        if line.path in ours or (key in ADDED and adds):
            continue
        for unit, our_line in set_by_us.get((_template(_unit(line)), key), {}).items():
            if _meets(_unit(line), unit) and _rank(line) > _rank(our_line) and line.text != our_line.text:
                yield line, our_line
                break


def _unit(line: Line) -> str:
    """The directory of the unit's drop-ins."""
    path = PurePosixPath(line.path)
    return path.parent.name if path.suffix == ".conf" else f"{path.name}.d"


def _template(unit: str) -> str:
    """Of redis-server@queue.service.d redis-server@.service.d; what is no instance stays as it is."""
    return re.sub(r"@[^.]*", "@", unit)


def _meets(one: str, other: str) -> bool:
    """Whether both are read for the same unit: a template's are read for all its instances."""
    return one == other or _template(one) in (one, other)


def _key(line: Line) -> str:
    return line.text.split("=", 1)[0].strip()


def _rank(line: Line) -> str:
    """What sorts later wins; every drop-in wins over the unit itself."""
    path = PurePosixPath(line.path)
    return path.name if path.suffix == ".conf" else ""


def names_lost(lines: list[Line]) -> Iterator[Line]:
    """What keeps /etc/hosts from being asked before a name server is."""
    for line in lines:
        words = line.text.split()
        if line.kind == "nsswitch" and words[:1] == ["hosts:"]:
            before = words[: words.index("files")] if "files" in words else words
            # systemd-resolved looks into /etc/hosts first.
            if ("files" not in words and "resolve" not in words) or "dns" in before:
                yield line

"""Which lines of others' configuration files win over ours."""

import re
from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath

from xteam_infra.facts.overrides import Line

_ASSIGNMENT = {
    "sysctl": re.compile(r"-?([^=\s]+)\s*=\s*(.*)"),
    "journald": re.compile(r"(\w+)\s*=\s*(.*)"),
    "sshd": re.compile(r"(\w+)[\s=]+(.*)"),
    "apt": re.compile(r'([\w:-]+)\s+"(.*)";'),
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


def overriding_drop_ins(lines: list[Line], ours: set[str]) -> Iterator[tuple[Line, Line]]:
    """(a line of somebody's drop-in, the line of ours in whose place it counts). ours: paths of our drop-ins."""
    set_by_us: dict[tuple[str, str], tuple[str, Line]] = {}
    for line in lines:
        if line.kind == "unit" and line.path in ours and "=" in line.text:
            set_by_us[(_unit(line), line.text.split("=", 1)[0].strip())] = (PurePosixPath(line.path).name, line)
    for line in lines:
        if line.kind != "unit" or line.path in ours or "=" not in line.text:
            continue
        name, our_line = set_by_us.get((_unit(line), line.text.split("=", 1)[0].strip()), ("", None))
        if our_line and PurePosixPath(line.path).name > name and line.text != our_line.text:
            yield line, our_line


def _unit(line: Line) -> str:
    return PurePosixPath(line.path).parent.name

"""What --diff shows of a file: a unified diff in which no secret appears, neither of ours nor of the host's."""

import difflib

from pyinfra import host, logger

from xteam_infra.engine.facts.files import FileState, FileText, KnownLines
from xteam_infra.engine.operations.hidden import HiddenInput

HIDDEN = "<not shown: the file holds secrets>"
HIDDEN_LINE = "<a line of the host's, not shown>"


def show_diff(path: str, before: FileState | None, wanted: FileState, shown: str | None) -> None:
    """Print what changes at `path`. shown: the new text with placeholders for secrets, None to hide it all."""
    lines = [] if before and before.sha256 == wanted.sha256 else _content_lines(path, before, wanted, shown)
    if before and before[:3] != wanted[:3]:
        lines += [f"- {' '.join(before[:3])}", f"+ {' '.join(wanted[:3])}"]
    logger.info("%s%s", host.print_prefix, path)
    for line in lines:
        logger.info("%s    %s", host.print_prefix, line)


def _content_lines(path: str, before: FileState | None, wanted: FileState, shown: str | None) -> list[str]:
    if shown is None:
        return [HIDDEN]
    new = shown.splitlines()
    if not before:
        old = []
    elif "<secret " in shown or closed(before) or closed(wanted):
        old = _known(host.get_fact(KnownLines, path=path, _stdin=HiddenInput(f"{shown}\n")), new)
    else:
        old = host.get_fact(FileText, path=path).splitlines()
    return list(difflib.unified_diff(old, new, "on the host", "wanted", lineterm="", n=1))


def closed(file: FileState) -> bool:
    """Whether not everybody on the host may read a file."""
    return not int(file.mode[-1]) & 4


def _known(numbers: list[int], new: list[str]) -> list[str]:
    """The host's lines: those that are in the new text, too, and what stands for all others."""
    return [new[number - 1] if number else HIDDEN_LINE for number in numbers]

"""What --diff shows of a file: a unified diff in which no secret appears."""

import difflib

from pyinfra import host, logger

from xteam_infra.facts.files import FileState, FileText

HIDDEN = "<not shown: the file holds secrets>"


def show_diff(path: str, before: FileState | None, wanted: FileState, shown: str | None) -> None:
    """Print what changes at `path`. shown: the new text with placeholders for secrets, None to hide it all."""
    lines = [] if before and before.sha256 == wanted.sha256 else _content_lines(path, before, shown)
    if before and before[:3] != wanted[:3]:
        lines += [f"- {' '.join(before[:3])}", f"+ {' '.join(wanted[:3])}"]
    logger.info("%s%s", host.print_prefix, path)
    for line in lines:
        logger.info("%s    %s", host.print_prefix, line)


def _content_lines(path: str, before: FileState | None, shown: str | None) -> list[str]:
    if shown is None:
        return [HIDDEN]
    old = host.get_fact(FileText, path=path).splitlines() if before else []
    return list(difflib.unified_diff(redact(old, shown), shown.splitlines(), "on the host", "wanted", lineterm="", n=1))


def redact(old: list[str], shown: str) -> list[str]:
    """The old text without the values in it.

    A line of the new text that holds a placeholder marks its beginning as one that a value follows; an old line
    with that beginning keeps only the beginning. A placeholder at the very start of a line hides all old lines.
    """
    marks = [line.split("<secret ", 1)[0] for line in shown.splitlines() if "<secret " in line]
    if any(not mark.strip() for mark in marks):
        return [HIDDEN for _ in old]
    return [next((mark + HIDDEN for mark in marks if line.startswith(mark)), line) for line in old]

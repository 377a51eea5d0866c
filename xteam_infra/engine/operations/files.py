"""Files on the host: whole, atomic, validated, and never readable by anyone they are not for."""

import hashlib
import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import PurePosixPath
from typing import Any

from pyinfra import host, state
from pyinfra.api import QuoteString, StringCommand, operation

from xteam_infra.engine.commands import Commands
from xteam_infra.engine.facts.files import FileState, FileStates
from xteam_infra.engine.operations.diff import show_diff
from xteam_infra.engine.pyinfra_internals import shows_diff
from xteam_infra.engine.runtime import render, vault


@dataclass(frozen=True, repr=False)
class HostFile:
    """One file on the host, from a template or a text.

    dest: absolute path. template: below templates/; `secret("name")` in it resolves when written.
    text: instead of a template; a callable when it holds a secret.
    validate: a command with {} for the new file; the old file stays if it fails.
    """

    dest: str
    template: str = ""
    context: Mapping[str, Any] = field(default_factory=dict)
    text: str | Callable[[], str] | None = None
    owner: str = "root"
    group: str = "root"
    mode: str = "644"
    validate: str = ""

    def __repr__(self) -> str:
        return self.dest

    @cached_property
    def content(self) -> str:
        """The text to be on the host, secrets included."""
        text = render(self.template, self.context) if self.template else self.text
        text = text() if callable(text) else text or ""
        return text if text.endswith("\n") else f"{text}\n"

    @cached_property
    def wanted(self) -> FileState:
        """The state the host should report."""
        sha256 = hashlib.sha256(self.content.encode()).hexdigest()
        return FileState(self.owner, self.group, self.mode.lstrip("0"), sha256)

    def shown(self) -> str | None:
        """The text with placeholders for secrets; None when it may not be shown at all."""
        if self.template:
            return render(self.template, self.context, reveal=False)
        return None if callable(self.text) else self.content


@dataclass(frozen=True)
class HostDirectory:
    """One directory on the host."""

    path: str
    owner: str = "root"
    group: str = "root"
    mode: str = "755"


@operation()
def write(files: list[HostFile]) -> Commands:
    """Bring files to their wanted content, owner and mode. One round trip when nothing differs.

    A new content goes to a private temporary file beside the old one, is validated there and moved into place.
    A dropped connection, a failed validation or a full disk leaves the old file.
    """
    if state.is_executing:
        vault().store_generated()
    current = host.get_fact(FileStates, paths=[file.dest for file in files])
    changed = [file for file in files if current.get(file.dest) != file.wanted]
    if not changed:
        host.noop("all files are as wanted")
        return
    if shows_diff():
        for file in changed:
            show_diff(file.dest, current.get(file.dest), file.wanted, file.shown())
    for file in changed:
        before = current.get(file.dest)
        if before and before.sha256 == file.wanted.sha256:
            yield _permit(file)
        else:
            yield _replace(file)


def _permit(file: HostFile) -> StringCommand:
    dest, owner = shlex.quote(file.dest), shlex.quote(f"{file.owner}:{file.group}")
    return StringCommand(f"chown -h {owner} {dest} && chmod {file.mode} {dest}")


def _replace(file: HostFile) -> StringCommand:
    path = PurePosixPath(file.dest)
    new = shlex.quote(str(path.parent / f".{path.name}.new"))
    size = len(file.content.encode())
    fail = f'{{ rm -f {new}; echo "{path}: %s; the old file stays" >&2; exit 1; }}'
    steps = [
        f"set -e; test -d {shlex.quote(str(path.parent))} || (umask 022; mkdir -p {shlex.quote(str(path.parent))})",
        # A dropped connection ends standard input early: count before anything is moved into place.
        f"umask 077; cat > {new}; [ $(wc -c < {new}) -eq {size} ] || {fail % 'arrived incomplete'}",
        f"chown {shlex.quote(f'{file.owner}:{file.group}')} {new}; chmod {file.mode} {new}",
    ]
    if file.validate:
        steps.append(f"{file.validate.replace('{}', new)} >&2 || {fail % 'is not valid'}")
    steps.append(f"mv -fT {new} {shlex.quote(file.dest)}")
    return StringCommand("; ".join(steps), _stdin=file.content)


@operation()
def directories(wanted: list[HostDirectory]) -> Commands:
    """Make directories and set their owner and mode."""
    current = host.get_fact(FileStates, paths=[one.path for one in wanted])
    missing = [one for one in wanted if current.get(one.path) != FileState(one.owner, one.group, one.mode, "-")]
    if not missing:
        host.noop("all directories are as wanted")
    for one in missing:
        mode = one.mode.zfill(5)  # five digits: else set-user-ID and set-group-ID of an existing directory stay
        yield StringCommand("install -d -o", one.owner, "-g", one.group, "-m", mode, QuoteString(one.path))


@operation()
def remove(paths: list[str]) -> Commands:
    """Remove files that must not be there."""
    present = host.get_fact(FileStates, paths=paths)
    if not present:
        host.noop("none of the files is there")
    for path in present:
        yield StringCommand("rm -f --", QuoteString(path))

"""Changes that could lock the controller out: taken back unless a fresh SSH connection succeeds under them."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from shlex import quote

from pyinfra import host
from pyinfra.api import FunctionCommand, OperationError, StringCommand

from xteam_infra.engine.facts.files import FileStates
from xteam_infra.engine.operations.diff import show_diff
from xteam_infra.engine.operations.files import HostFile
from xteam_infra.engine.pyinfra_internals import log_in_anew, shows_diff

RETRY_SECONDS = 5  # a reloading sshd does not listen for a moment


@dataclass(frozen=True)
class AutoRevert:
    """How a file is tried out. timer: unit that takes it back. hint: the setting to look at when nobody gets in.

    candidate: where the new file waits. The rest is shell. check: fails for one that can't be right. save: put away
    what is in force. take_back: put that in force again. apply: put the candidate in force. keep: make it last.
    """

    timer: str
    hint: str
    candidate: str
    check: str
    save: str
    take_back: str
    apply: str
    keep: tuple[str | StringCommand, ...]


def with_auto_revert(
    file: HostFile, in_force: bool, revert: AutoRevert, seconds: int
) -> Iterator[StringCommand | FunctionCommand]:
    """The commands of an operation that tries a file out and keeps it; none when it is there and in force.

    seconds: until it is taken back.
    """
    before = host.get_fact(FileStates, paths=[file.dest]).get(file.dest)
    if before == file.wanted and in_force:
        host.noop(f"{file.dest} is in force and confirmed")
        return
    if shows_diff():
        show_diff(file.dest, before, file.wanted, file.shown())
    yield StringCommand(_try(file, revert, seconds), _stdin=file.content)
    yield FunctionCommand(_log_in, (seconds, revert.hint), {})
    yield StringCommand(f"set -e; systemctl stop {revert.timer}.timer;", *revert.keep)


def _try(file: HostFile, revert: AutoRevert, seconds: int) -> str:
    candidate, size = revert.candidate, len(file.content.encode())
    # systemd's timers are a minute late by default.
    timer = f"--timer-property=AccuracySec=1s --on-active={seconds} --unit={revert.timer}"
    return "; ".join(
        [
            f"set -e; umask 077; cat > {candidate}; [ $(wc -c < {candidate}) -eq {size} ]",
            f"({revert.check}) || {{ rm -f {candidate}; exit 1; }}",
            revert.save,
            f"systemctl stop {revert.timer}.timer 2>/dev/null || true",
            f"systemd-run -q --collect {timer} sh -c {quote(revert.take_back)}",
            revert.apply,
        ]
    )


def _log_in(seconds: int, hint: str) -> None:
    """Log in anew from the controller, beside the connection in use."""
    deadline = time.monotonic() + min(RETRY_SECONDS, seconds / 2)
    while True:
        try:
            log_in_anew(host)
            return
        except Exception as error:  # whatever the reason, no one can log in any more
            if time.monotonic() > deadline:
                raise OperationError(
                    f"no new SSH connection with the change; it is taken back within {seconds} s. {hint} ({error})"
                ) from error
            time.sleep(0.5)

"""Changes that could lock the controller out: taken back unless a fresh SSH connection succeeds under them."""

import time
from shlex import quote

from pyinfra import host, state
from pyinfra.api import FunctionCommand, OperationError

RETRY_SECONDS = 5  # a reloading sshd does not listen for a moment


def schedule(unit: str, seconds: int, take_back: str) -> str:
    """Shell: have systemd run `take_back` in `seconds` unless `cancel(unit)` comes first."""
    # systemd's timers are a minute late by default.
    timer = f"--timer-property=AccuracySec=1s --on-active={seconds} --unit={unit}"
    return f"{cancel(unit)} 2>/dev/null || true; systemd-run -q --collect {timer} sh -c {quote(take_back)}"


def cancel(unit: str) -> str:
    """Shell: keep the change."""
    return f"systemctl stop {unit}.timer"


def fresh_connection(seconds: int, hint: str) -> FunctionCommand:
    """Log in anew from the controller, beside the connection in use. hint: which setting to look at when it fails."""
    return FunctionCommand(_log_in, (seconds, hint), {})


def _log_in(seconds: int, hint: str) -> None:
    deadline = time.monotonic() + min(RETRY_SECONDS, seconds / 2)
    while True:
        connector = type(host.connector)(state, host)
        try:
            connector.connect()
            connector.disconnect()
            return
        except Exception as error:  # whatever the reason, no one can log in any more
            if time.monotonic() > deadline:
                raise OperationError(
                    f"no new SSH connection with the change; it is taken back within {seconds} s. {hint} ({error})"
                ) from error
            time.sleep(0.5)

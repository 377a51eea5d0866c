"""A command that runs only while its goal is not reached, and fails unless it then is."""

from collections.abc import Callable

from pyinfra import host
from pyinfra.api import QuoteString, StringCommand, operation

from xteam_infra.engine.commands import Commands
from xteam_infra.engine.facts.shell_condition import ShellCondition

UNREACHED = '|| { echo "done, but the goal is not reached" >&2; exit 1; }; }'


@operation()
def ensure(command: str, check: str, stdin: Callable[[], str] | None = None) -> Commands:
    """Run `command` only while the shell condition `check` fails; fail unless it holds afterwards.

    stdin: called for the text the command reads on standard input: the only way to hand it a secret.
    """
    if host.get_fact(ShellCondition, check=check):
        host.noop(f"already true: {check}")
        return
    bits = (f"{{ {command}\n}} && {{ sh -c", QuoteString(check), UNREACHED)
    yield StringCommand(*bits, _stdin=stdin()) if stdin else StringCommand(*bits)


def started(unit: str) -> str:
    """A command that runs what a timer starts, now: in its own unit, where a dropped connection does not end it."""
    return (
        f"systemctl daemon-reload; systemctl start {unit} || {{ journalctl --no-pager -n 30 -u {unit} >&2; exit 1; }}"
    )

"""A ruleset that takes itself back unless a fresh SSH connection succeeds under it."""

from pyinfra import host, state
from pyinfra.api import FunctionCommand, OperationError, StringCommand, operation

from xteam_infra.facts.files import FileStates
from xteam_infra.facts.firewall import LISTING, STAMP, Ruleset
from xteam_infra.operations.diff import show_diff
from xteam_infra.operations.files import HostFile

CANDIDATE = "/etc/nftables.conf.candidate"
BEFORE = "/run/xteam-nftables.before"
REVERT = "xteam-firewall-revert"


@operation()
def confirmed_ruleset(ruleset: HostFile, seconds: int):
    """Load the ruleset, prove that SSH still works, then keep it. Otherwise it is taken back after `seconds`."""
    before = host.get_fact(FileStates, paths=[ruleset.dest]).get(ruleset.dest)
    running = host.get_fact(Ruleset)
    if before == ruleset.wanted and running.running and running.enabled:
        host.noop("the ruleset is loaded and confirmed")
        return
    if state.config.DIFF and not (state.is_executing and state.should_check_for_changes()):
        show_diff(ruleset.dest, before, ruleset.wanted, ruleset.shown())
    yield StringCommand(_try(ruleset, seconds), _stdin=ruleset.content)
    yield FunctionCommand(_fresh_connection, (seconds,), {})
    yield StringCommand(_keep(ruleset))


def _try(ruleset: HostFile, seconds: int) -> str:
    size = len(ruleset.content.encode())
    take_back = f"nft delete table inet xteam; nft -f {BEFORE}"
    return "; ".join(
        [
            f"set -e; umask 077; cat > {CANDIDATE}; [ $(wc -c < {CANDIDATE}) -eq {size} ]",
            f"nft -c -f {CANDIDATE}",
            f"nft list table inet xteam > {BEFORE} 2>/dev/null || : > {BEFORE}",
            f"systemctl stop {REVERT}.timer 2>/dev/null || true",
            f"systemd-run -q --collect --on-active={seconds} --unit={REVERT} sh -c '{take_back}'",
            f"nft -f {CANDIDATE}",
        ]
    )


def _fresh_connection(seconds: int) -> None:
    connector = type(host.connector)(state, host)
    try:
        connector.connect()
        connector.disconnect()
    except Exception as error:  # whatever the reason, SSH does not work under the new ruleset
        raise OperationError(
            f"no new SSH connection under the new ruleset; it is taken back within {seconds} s. "
            f"Check management_networks in group_data/all.py ({error})"
        ) from error


def _keep(ruleset: HostFile) -> str:
    return "; ".join(
        [
            f"set -e; systemctl stop {REVERT}.timer",
            f"chmod {ruleset.mode} {CANDIDATE}; mv -fT {CANDIDATE} {ruleset.dest}; rm -f {BEFORE}",
            # Started too, so that its state says that rules are loaded; it loads the same file again.
            "systemctl enable -q nftables.service; systemctl start nftables.service",
            f"mkdir -p {STAMP.rsplit('/', 1)[0]}; {LISTING} > {STAMP}",
        ]
    )

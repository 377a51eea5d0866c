"""A ruleset that takes itself back unless a fresh SSH connection succeeds under it."""

from pyinfra import host, state
from pyinfra.api import StringCommand, operation

from xteam_infra.facts.files import FileStates
from xteam_infra.facts.firewall import LISTING, STAMP, Ruleset
from xteam_infra.operations.confirmed import cancel, fresh_connection, schedule
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
    yield fresh_connection(seconds, "Check management_networks in group_data/all.py")
    yield StringCommand(_keep(ruleset))


def _try(ruleset: HostFile, seconds: int) -> str:
    size = len(ruleset.content.encode())
    take_back = f"nft delete table inet xteam; nft -f {BEFORE}"
    return "; ".join(
        [
            f"set -e; umask 077; cat > {CANDIDATE}; [ $(wc -c < {CANDIDATE}) -eq {size} ]",
            f"nft -c -f {CANDIDATE}",
            f"nft list table inet xteam > {BEFORE} 2>/dev/null || : > {BEFORE}",
            schedule(REVERT, seconds, take_back),
            f"nft -f {CANDIDATE}",
        ]
    )


def _keep(ruleset: HostFile) -> str:
    return "; ".join(
        [
            f"set -e; {cancel(REVERT)}",
            f"chmod {ruleset.mode} {CANDIDATE}; mv -fT {CANDIDATE} {ruleset.dest}; rm -f {BEFORE}",
            # Started too, so that its state says that rules are loaded; it loads the same file again.
            "systemctl enable -q nftables.service; systemctl start nftables.service",
            f"mkdir -p {STAMP.rsplit('/', 1)[0]}; {LISTING} > {STAMP}",
        ]
    )

"""A ruleset that takes itself back unless a fresh SSH connection succeeds under it."""

from pyinfra import host
from pyinfra.api import operation

from xteam_infra.facts.firewall import LISTING, STAMP, Ruleset
from xteam_infra.operations.confirmed import Trial, confirmed
from xteam_infra.operations.files import HostFile

CANDIDATE = "/etc/nftables.conf.candidate"
BEFORE = "/run/xteam-nftables.before"


@operation()
def confirmed_ruleset(ruleset: HostFile, seconds: int):
    """Load the ruleset, prove that SSH still works, then keep it. Otherwise it is taken back after `seconds`."""
    running = host.get_fact(Ruleset)
    keep = [
        f"chmod {ruleset.mode} {CANDIDATE}; mv -fT {CANDIDATE} {ruleset.dest}; rm -f {BEFORE}",
        # Started too, so that its state says that rules are loaded; it loads the same file again.
        "systemctl enable -q nftables.service; systemctl start nftables.service",
        f"mkdir -p {STAMP.rsplit('/', 1)[0]}; {LISTING} > {STAMP}",
    ]
    trial = Trial(
        timer="xteam-firewall-revert",
        hint="Check management_networks in group_data/all.py",
        candidate=CANDIDATE,
        check=f"nft -c -f {CANDIDATE}",
        save=f"nft list table inet xteam > {BEFORE} 2>/dev/null || : > {BEFORE}",
        take_back=f"nft delete table inet xteam; nft -f {BEFORE}",
        apply=f"nft -f {CANDIDATE}",
        keep=("; ".join(keep),),
    )
    yield from confirmed(ruleset, running.running and running.enabled, trial, seconds)

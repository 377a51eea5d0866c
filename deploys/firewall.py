"""nftables: inbound traffic is dropped unless a layer on the host declared who may reach which port."""

from xteam_infra.operations import HostFile, barrier
from xteam_infra.operations.firewall import confirmed_ruleset
from xteam_infra.plan.openings import openings
from xteam_infra.runtime import here, open_estate

estate = open_estate()

ruleset = HostFile(
    "/etc/nftables.conf", "firewall/nftables.conf.j2", {"openings": openings(estate, here())}, mode="755"
)
confirmed_ruleset(ruleset, estate.firewall.firewall_confirm_seconds, name="Load the firewall, confirmed by a new login")
barrier(name="firewall is laid")

"""nftables: traffic is dropped, inbound and outbound, unless a layer declared who may reach which port."""

from pyinfra import host

from xteam_infra.engine.operations import HostFile, barrier, service, write
from xteam_infra.engine.runtime import here, open_estate, secret
from xteam_infra.layers.firewall import ways
from xteam_infra.layers.firewall.needs import METRICS_TIMER
from xteam_infra.layers.firewall.operations import metrics_files, probe_file, ruleset_with_auto_revert
from xteam_infra.layers.firewall.outbound_facts import NamesAndTime
from xteam_infra.plan.firewall_rules import firewall_rules
from xteam_infra.plan.outbound import outbound

estate = open_estate()
machine = here()
tracker = ways.error_tracker(estate, machine, secret)
context = {
    "firewall_rules": firewall_rules(estate, machine),
    "outbound": outbound(estate, machine, tracker),
    "names_and_time": ways.names_and_time(estate, host.get_fact(NamesAndTime)),
}

metrics = metrics_files()
write([probe_file(), *metrics], name="Write the firewall's programs")
ruleset = HostFile("/etc/nftables.conf", "firewall/nftables.conf.j2", context, mode="755")
peers = {one.address: {each.port for each in firewall_rules(estate, one)} for one in estate.machines if one != machine}
ruleset_with_auto_revert(
    ruleset,
    estate.firewall.firewall_confirm_seconds,
    peers,
    name="Load the firewall rules (auto-revert unless a new login works)",
)
service(METRICS_TIMER, metrics, name="Run the timer of the firewall's metrics")
barrier(name="firewall: applied")

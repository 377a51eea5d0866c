"""Central logs: every host's journal with all its fields, over mutual TLS, resumed where an outage broke it off.

The collector keeps each host's journal apart, under the name in the certificate that sent it.
"""

from xteam_infra.engine.absent import up
from xteam_infra.engine.commands import loop
from xteam_infra.engine.common_files import mtls_proxy_unit_file, timer_file
from xteam_infra.engine.operations import HostDirectory, HostFile, barrier, directories, ensure, service, write
from xteam_infra.engine.runtime import here, open_estate
from xteam_infra.engine.runtime import plan as host_plan
from xteam_infra.layers.logs import needs as plan

estate = open_estate()
collectors = estate.members("logs")
certificates = {one.name: one for one in host_plan().certificates}
drop_in = "/etc/systemd/{}.d/10-xteam.conf"
unit = "/etc/systemd/system/{}"
sender = "systemd-journal-upload"
ACCOUNT = "systemd-journal-remote"

# The collector first, so that the senders find it.
if "logs" in here().groups:
    certificate = certificates["journal-remote"]
    context = {"certificate": certificate, "plan": plan, "senders": estate.machines, "share_mb": plan.share_mb(estate)}
    settings = HostFile(drop_in.format("journal-remote.conf"), "logs/journal-remote.conf.j2", context)
    server = HostFile(unit.format("xteam-journal@.service"), "logs/xteam-journal@.service.j2", context)
    socket = HostFile(unit.format("xteam-journal@.socket"), "logs/xteam-journal@.socket.j2", context)
    proxy = HostFile("/etc/xteam/logs-proxy.cfg", "logs/proxy.cfg.j2", context, validate="haproxy -c -f {}")
    proxy_unit = mtls_proxy_unit_file(
        plan.PROXY_UNIT, "mTLS proxy of the log collector", proxy.dest, plan.receiver(here())
    )
    timer = timer_file(plan.RETENTION_TIMER, "Delete collected logs past their retention", "daily", spread_seconds=1800)
    retention = HostFile(unit.format("xteam-logs-retention.service"), "logs/xteam-logs-retention.service.j2", context)

    directories(
        [
            HostDirectory(path, ACCOUNT, ACCOUNT, "755")
            for path in (plan.COLLECTED, *(plan.directory(one) for one in estate.machines))
        ],
        name="Make a directory for each host's journal",
    )
    for one in loop(estate.machines):
        place, target = f"{plan.COLLECTED}/{one.name}", plan.directory(one).rpartition("/")[2]
        ensure(
            f"ln -sfnT {target} {place}",
            f'[ "$(readlink {place})" = {target} ]',
            name=f"Link the journal directory of {one.name} under its name",
        )
    write([settings, server, socket, proxy, proxy_unit, timer, retention], name="Write the log collector's files")
    for one in loop(estate.machines):
        service(plan.way_in(one), [socket], name=f"Run the socket for the journal of {one.name}")
        service(plan.receiver(one), [settings, server, socket], name=f"Run the receiver of the journal of {one.name}")
    # A restart, not a reload: a sender's connection lasts for ever, and it goes on where it was.
    service(plan.PROXY_UNIT, [proxy, proxy_unit, certificate.crt], name="Run the mTLS proxy of the log collector")
    service(
        plan.RETENTION_TIMER, [timer, retention], name="Run the timer that deletes collected logs past their retention"
    )
barrier(name="logs: the collector runs")

if collectors:
    certificate = certificates[plan.SENDER]
    context = {"certificate": certificate, "collector": collectors[0].url_host}
    settings = HostFile(drop_in.format("journal-upload.conf"), "logs/journal-upload.conf.j2", context)
    sender_unit = HostFile(drop_in.format(f"system/{sender}.service"), "logs/journal-upload-unit.conf.j2", context)

    write([settings, sender_unit], name="Write the files of this host's journal upload")
    # While the collector is down the sender ends again and again by itself, and systemd starts it until it finds it.
    if up(collectors):
        service(f"{sender}.service", [settings, sender_unit, certificate.crt], name="Run this host's journal upload")
barrier(name="logs: applied")

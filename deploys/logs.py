"""Central logs: every host's journal with all its fields, over mutual TLS, resumed where an outage broke it off."""

from xteam_infra.operations import HostFile, barrier, service, write
from xteam_infra.runtime import here, open_estate, plan
from xteam_infra.shared_files import gate_unit_file, timer_file

estate = open_estate()
collectors = estate.members("logs")
certificates = {one.name: one for one in plan().certificates}
drop_in = "/etc/systemd/{}.d/10-xteam.conf"
unit = "/etc/systemd/system/{}"
collector, sender = "systemd-journal-remote", "systemd-journal-upload"

# The collector first, so that the senders find it.
if "logs" in here().groups:
    certificate = certificates["journal-remote"]
    context = {
        "certificate": certificate,
        "socket": "/run/xteam-journal.sock",
    }
    settings = HostFile(drop_in.format("journal-remote.conf"), "logs/journal-remote.conf.j2")
    server = HostFile(drop_in.format(f"system/{collector}.service"), "logs/journal-remote-unit.conf.j2")
    socket = HostFile(drop_in.format(f"system/{collector}.socket"), "logs/journal-remote-socket.conf.j2", context)
    gate = HostFile("/etc/xteam/logs-gate.cfg", "logs/gate.cfg.j2", context, validate="haproxy -c -f {}")
    gate_unit = gate_unit_file(
        "xteam-logs-gate.service", "TLS door of the journal collector", gate.dest, f"{collector}.socket"
    )
    timer = timer_file(
        "xteam-logs-retention.timer", "Delete collected logs past their retention", "daily", spread_seconds=1800
    )
    retention = HostFile(unit.format("xteam-logs-retention.service"), "logs/xteam-logs-retention.service.j2")

    write([settings, server, socket, gate, gate_unit, timer, retention], name="Write the collector's files")
    service(f"{collector}.socket", [socket], name="Listen for journals")
    service(f"{collector}.service", [settings, server, socket], name="Run the journal collector")
    # A restart, not a reload: a sender's connection lasts for ever, and it goes on where it was.
    service("xteam-logs-gate.service", [gate, gate_unit, certificate.crt], name="Run the collector's TLS door")
    service("xteam-logs-retention.timer", [timer, retention], name="Delete logs past their retention daily")
barrier(name="the log collector is laid")

if collectors:
    certificate = certificates["journal-upload"]
    context = {"certificate": certificate, "collector": collectors[0].url_host}
    settings = HostFile(drop_in.format("journal-upload.conf"), "logs/journal-upload.conf.j2", context)
    sender_unit = HostFile(drop_in.format(f"system/{sender}.service"), "logs/journal-upload-unit.conf.j2", context)

    write([settings, sender_unit], name="Write the journal upload's files")
    service(f"{sender}.service", [settings, sender_unit, certificate.crt], name="Ship this host's journal")
barrier(name="logs is laid")

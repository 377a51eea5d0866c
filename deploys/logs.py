"""Central logs: every host's journal with all its fields, over mutual TLS, resumed where an outage broke it off."""

from xteam_infra.operations import HostDirectory, HostFile, barrier, directories, service, write
from xteam_infra.runtime import here, open_estate, plan

estate = open_estate()
collectors = estate.members("logs")
certificates = {one.name: one for one in plan().certificates}
units = "/etc/systemd/system"

# The collector first, so that the senders find it.
if "logs" in here().groups:
    certificate = certificates["journal-remote"]
    collector_files = [
        HostFile("/etc/systemd/journal-remote.conf.d/10-xteam.conf", "logs/journal-remote.conf.j2", {"certificate": certificate}),
        HostFile(f"{units}/systemd-journal-remote.service.d/10-xteam.conf", "logs/journal-remote-unit.conf.j2", {"certificate": certificate}),
        HostFile(f"{units}/systemd-journal-remote.socket.d/10-xteam.conf", "logs/journal-remote-socket.conf.j2"),
    ]  # fmt: skip
    timer = HostFile(f"{units}/xteam-logs-retention.timer", "logs/xteam-logs-retention.timer.j2")
    retention = HostFile(f"{units}/xteam-logs-retention.service", "logs/xteam-logs-retention.service.j2")
    owner = "systemd-journal-remote"
    directories([HostDirectory("/var/log/journal/remote", owner, owner, "2755")], name="Make the collector's directory")
    write([*collector_files, timer, retention], name="Write the collector's files")
    service("systemd-journal-remote.socket", [collector_files[2]], name="Listen for journals")
    service(
        "systemd-journal-remote.service",
        [*collector_files, certificate.crt],
        name="Run the journal collector",
    )
    service("xteam-logs-retention.timer", [timer, retention], name="Delete logs past their retention daily")
barrier(name="the log collector is laid")

if collectors:
    certificate = certificates["journal-upload"]
    upload_files = [
        HostFile("/etc/systemd/journal-upload.conf.d/10-xteam.conf", "logs/journal-upload.conf.j2",
                 {"certificate": certificate, "collector": estate.fqdn(collectors[0].name)}),
        HostFile(f"{units}/systemd-journal-upload.service.d/10-xteam.conf", "logs/journal-upload-unit.conf.j2", {"certificate": certificate}),
    ]  # fmt: skip
    write(upload_files, name="Write the journal upload's files")
    service("systemd-journal-upload.service", [*upload_files, certificate.crt], name="Ship this host's journal")
barrier(name="logs is laid")

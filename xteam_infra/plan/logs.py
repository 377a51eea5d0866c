"""What the logs layer needs of a host."""

from xteam_infra.pki import Subject
from xteam_infra.plan.needs import Certificate, Listen, Needs

COLLECTOR_MB = 256
UPLOAD_MB = 64


def needs(estate, machine) -> Needs:
    """Every host sends its journal; the collector also receives."""
    if not estate.members("logs"):
        return Needs()
    collects = "logs" in machine.groups
    certificates = [Certificate("journal-upload", Subject(machine.name, (estate.fqdn(machine.name),)))]
    memory = {"systemd-journal-upload": UPLOAD_MB}
    units = ["systemd-journal-upload.service"]
    if collects:
        names = Subject(machine.name, (estate.fqdn(machine.name), machine.name), (machine.address,))
        certificates.append(Certificate("journal-remote", names, bundle=True))
        memory["systemd-journal-remote"] = COLLECTOR_MB
        units += ["systemd-journal-remote.socket", "xteam-logs-gate.service", "xteam-logs-retention.timer"]
    everyone = tuple(sorted({group for one in estate.machines for group in one.groups}))
    return Needs(
        packages=("systemd-journal-remote", *(("haproxy",) if collects else ())),
        # Serves the whole journal to anyone who asks.
        masked=("systemd-journal-gatewayd.socket", "systemd-journal-gatewayd.service"),
        listens=(Listen(estate.logs.logs_port, "journal-remote", everyone),) if collects else (),
        certificates=tuple(certificates),
        memory_mb=memory,
        units=tuple(units),
    )

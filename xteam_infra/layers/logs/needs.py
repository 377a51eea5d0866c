"""What the logs layer needs of a host, and where the collector keeps what."""

from uuid import NAMESPACE_DNS, uuid5

from xteam_infra.estate import Estate
from xteam_infra.machine import Machine
from xteam_infra.pki import Subject
from xteam_infra.plan.needs import Certificate, HostRequirements, ListenPort

COLLECTED = "/var/log/journal/remote"
SOCKETS = "/run/xteam-journal"
SENDER = "journal-upload"
PROXY_UNIT = "xteam-logs-proxy.service"
RETENTION_TIMER = "xteam-logs-retention.timer"
# Debian's own keeps all journals in one file.
DEBIAN_COLLECTOR = ("systemd-journal-remote.socket", "systemd-journal-remote.service")
# Memory (MiB) of what receives one host's journal; of what sends it.
RECEIVER_MB = 32
UPLOAD_MB = 64


def needs(estate: Estate, machine: Machine) -> HostRequirements:
    """Every host sends its journal; the collector also receives."""
    if not estate.members("logs"):
        return HostRequirements()
    collects = "logs" in machine.groups
    certificates = [sender_certificate(machine)]
    memory = {"systemd-journal-upload": UPLOAD_MB}
    units = ["systemd-journal-upload.service"]
    if collects:
        names = Subject(machine.name, (estate.fqdn(machine.name), machine.name), (machine.address,))
        certificates.append(Certificate("journal-remote", names, bundle=True))
        memory["journals received"] = RECEIVER_MB * len(estate.machines)
        received = [unit for one in estate.machines for unit in (way_in(one), receiver(one))]
        units += [*received, PROXY_UNIT, RETENTION_TIMER]
    everyone = tuple(sorted({group for one in estate.machines for group in one.groups}))
    return HostRequirements(
        packages=("systemd-journal-remote", *(("haproxy",) if collects else ())),
        # The gateway serves the whole journal to anyone who asks.
        masked=(*DEBIAN_COLLECTOR, "systemd-journal-gatewayd.socket", "systemd-journal-gatewayd.service"),
        listens=(ListenPort(estate.logs.logs_port, "journal-remote", everyone, tls="tls", clients=(SENDER,)),)
        if collects
        else (),
        certificates=tuple(certificates),
        memory_mb=memory,
        units=tuple(units),
    )


def sender_certificate(machine: Machine) -> Certificate:
    """By which the collector knows whose journal it gets."""
    return Certificate(SENDER, Subject(f"{SENDER}.{machine.name}", purpose="client"))


def receiver(machine: Machine) -> str:
    """The unit that receives the journal of `machine`."""
    return f"xteam-journal@{machine.name}.service"


def way_in(machine: Machine) -> str:
    """The socket on which it does."""
    return f"xteam-journal@{machine.name}.socket"


def directory(machine: Machine) -> str:
    """Where the journal of `machine` is kept. journalctl reads directories below another only if named like this."""
    return f"{COLLECTED}/{uuid5(NAMESPACE_DNS, machine.name).hex}"


def share_mb(estate: Estate) -> int:
    """The most the journal of one host may use, in MiB: nobody's lines push out another's."""
    return estate.logs.logs_max_use_gb * 1024 // len(estate.machines)

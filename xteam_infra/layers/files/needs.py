"""What the backups of uploads and workspaces need: who sends them, and who keeps them where no sender can delete."""

from xteam_infra.cloud.restic import Repository, in_bucket
from xteam_infra.estate import Estate
from xteam_infra.layers.app.needs import UPLOADS, WORKSPACES
from xteam_infra.machine import Machine
from xteam_infra.pki.leaf import Subject
from xteam_infra.plan.needs import Certificate, HostRequirements, ListenPort
from xteam_infra.secrets import Secret

HOME = "/etc/xteam/files"
STATE = "/var/lib/xteam/files"
PROXY_PORT = 8093
CLIENT = "files-client"
# Debian's server of restic's repositories: it speaks to its own host alone, where the proxy asks for certificates.
SERVER_PORT = 8094
SERVER_UNIT = "restic-rest-server.service"
SERVER_ACCOUNT = "restic-rest-server"
PROXY_UNIT = "xteam-files-proxy.service"
DIRECTORIES = (UPLOADS, WORKSPACES)
# Jobs of a host that sends; kept_by() has those of the one that keeps.
SENDS = ("backup", "prove")
# Backups are taken at other times on each estate; a look at what has arrived costs little.
RECORD_SCHEDULE = "*:0/15"
# The bucket's: who signed its certificate, the access key, and where below it files are.
STORAGE_CA = f"{HOME}/storage-ca.crt"
CREDENTIALS = f"{HOME}/s3.credentials"
PREFIX = "files"
# Memory (MiB): restic's index and buffers; the server and its mTLS proxy.
RESTIC_MB = 256
# Of the file system with the repositories, so much may be theirs unless files_backup_max_mb says otherwise.
SHARE = 2 / 5
# Objects that a host may send in an hour. A usual one is 16 MiB; but each, however small, takes a block and an inode.
OBJECTS_AN_HOUR = 20_000
SERVER_MB = 128


def needs(estate: Estate, machine: Machine) -> HostRequirements:
    """Every API host sends what users stored on it to the backup host."""
    found = HostRequirements()
    if sends(estate, machine):
        found = HostRequirements(
            packages=("restic",),
            certificates=(client_certificate(machine),),
            memory_mb={"files-backup": RESTIC_MB},
            units=tuple(timer(job) for job in SENDS),
        )
    if keeps(estate, machine):
        own = HostRequirements(
            packages=("restic", "restic-rest-server", "haproxy"),
            listens=(
                ListenPort(PROXY_PORT, "uploads' backups", ("app",), tls="tls", clients=(CLIENT,), accounts=("root",)),
                ListenPort(SERVER_PORT, "restic, behind its mTLS proxy", ("local",)),
            ),
            certificates=(proxy_certificate(estate, machine),),
            memory_mb={"files-server": SERVER_MB},
            units=(SERVER_UNIT, PROXY_UNIT, *(timer(job) for job in kept_by(estate))),
        )
        found = HostRequirements(
            packages=tuple(dict.fromkeys((*found.packages, *own.packages))),
            listens=own.listens,
            certificates=(*found.certificates, *own.certificates),
            memory_mb={**found.memory_mb, **own.memory_mb},
            units=(*found.units, *own.units),
        )
    return found


def sends(estate: Estate, machine: Machine) -> bool:
    """Whether users' files are on `machine`, and somebody keeps backups."""
    return "app" in machine.groups and bool(estate.members("backup"))


def keeps(estate: Estate, machine: Machine) -> bool:
    """Whether `machine` keeps the backups."""
    return "backup" in machine.groups and bool(estate.members("app"))


def room_mb(estate: Estate, disk_mb: int) -> int:
    """MiB that the repositories may take of a file system of so many."""
    return estate.files.files_backup_max_mb or int(disk_mb * SHARE)


def kept_by(estate: Estate) -> tuple[str, ...]:
    """Jobs of the host that keeps the backups: note arrivals, expire, and with a bucket the copies and their proof."""
    return ("record", "keep", "copy", "prove-copy") if estate.backup.bucket else ("record", "keep")


def timer(job: str) -> str:
    """What starts a job."""
    return f"xteam-files-{job}.timer"


def cipher(machine: Machine) -> Secret:
    """Password of a host's repository: no host can read another's."""
    return Secret(f"files/{machine.name}/cipher")


def copies(estate: Estate, machine: Machine) -> Repository:
    """The copy of a host's repository, in the bucket; with a password of its own, which the backup host alone has."""
    url, options = in_bucket(estate, f"{PREFIX}/{machine.name}", STORAGE_CA)
    cipher, password = Secret(f"files/{machine.name}/copy-cipher"), f"{HOME}/{machine.name}.copy.pass"
    return Repository(2, url, cipher, estate.files.files_backup_s3_keep, password, options, CREDENTIALS)


def client_certificate(machine: Machine) -> Certificate:
    """By which a host proves whose repository it may open."""
    return Certificate(CLIENT, Subject(f"{CLIENT}.{machine.name}", purpose="client"), bundle=True)


def proxy_certificate(estate: Estate, machine: Machine) -> Certificate:
    """What the proxy shows."""
    names = (estate.fqdn(machine.name), machine.name)
    return Certificate("files-proxy", Subject(machine.name, names, (machine.address,)), bundle=True)

"""Encryption at rest: the database's files lie in an encrypted directory that opens only while the Tang servers
answer."""

from xteam_infra.engine.host_packages import module_command, package_files
from xteam_infra.engine.operations import HostFile, barrier, ensure, service, write
from xteam_infra.engine.runtime import here, open_estate
from xteam_infra.layers.storage.needs import (
    CONFIG,
    ENCRYPTED_MOUNTS,
    TANG_DIRECTORY,
    TANG_UNIT,
    UNIT,
    encrypts,
    tang_servers,
)
from xteam_infra.layers.storage.operations import encrypted_directory, validate_volumes

estate = open_estate()
settings = estate.storage
systemd = "/etc/systemd/system"
validate_volumes()

if here() in tang_servers(estate):
    socket = HostFile(f"{systemd}/{TANG_UNIT}.d/10-xteam.conf", "storage/tangd.socket.d.j2")
    write([socket], name="Write Tang's files")
    ensure(
        f"/usr/libexec/tangd-keygen {TANG_DIRECTORY}",
        f"ls {TANG_DIRECTORY}/*.jwk",
        name="Make Tang's keys",
    )
    service(
        TANG_UNIT,
        [socket],
        health=f"curl -sf -m 5 http://127.0.0.1:{settings.storage_tang_port}/adv",
        name="Run Tang",
    )
barrier(name="storage: the Tang servers answer")

if encrypts(estate, here()):
    tool = [module_command("xteam-storage", "xteam_storage"), *package_files("xteam_storage")]
    unit = HostFile(f"{systemd}/{UNIT}", "storage/xteam-storage.service.j2")
    fscrypt = HostFile("/etc/fscrypt.conf", "storage/fscrypt.conf.j2")
    config = HostFile(CONFIG, "storage/storage.json.j2", {"branches": ENCRYPTED_MOUNTS})
    mounts = [
        HostFile(f"{systemd}/{one.unit}", "storage/encrypted.mount.j2", {"mount": one}) for one in ENCRYPTED_MOUNTS
    ]
    waits = [
        HostFile(f"{systemd}/{one.needed_by}.d/20-storage.conf", "storage/waits.conf.j2", {"mount": one})
        for one in ENCRYPTED_MOUNTS
    ]
    write([*tool, unit, fscrypt, config, *mounts, *waits], name="Write the files of the encrypted directory")
    encrypted_directory(
        settings.storage_recovery, name="Set up the encrypted directory and bind it to the Tang servers"
    )
    # A restart would take PostgreSQL along, a reload opens what is not open.
    service(UNIT, [*tool, unit, *waits], action="reload", name="Unlock the encrypted directory")
    service(ENCRYPTED_MOUNTS[0].unit, [mounts[0]], action="reload", name="Mount the database's encrypted directory")
    service(
        ENCRYPTED_MOUNTS[1].unit, [mounts[1]], action="reload", name="Mount the archive spool's encrypted directory"
    )
barrier(name="storage: applied")

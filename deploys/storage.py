"""Encryption at rest: the database's files lie in a tree that opens only while the key hosts answer."""

from xteam_infra.engine.host_packages import carried, module_command
from xteam_infra.engine.operations import HostFile, barrier, ensure, service, write
from xteam_infra.engine.runtime import here, open_estate
from xteam_infra.layers.storage.needs import BRANCHES, CONFIG, KEY_DIRECTORY, KEY_UNIT, UNIT, encrypts, key_hosts
from xteam_infra.layers.storage.operations import encrypted_tree, refuse_unfit_volumes

estate = open_estate()
settings = estate.storage
systemd = "/etc/systemd/system"
refuse_unfit_volumes()

if here() in key_hosts(estate):
    socket = HostFile(f"{systemd}/{KEY_UNIT}.d/10-xteam.conf", "storage/tangd.socket.d.j2")
    write([socket], name="Write tang's files")
    ensure(
        f"/usr/libexec/tangd-keygen {KEY_DIRECTORY}",
        f"ls {KEY_DIRECTORY}/*.jwk",
        name="Make tang's keys",
    )
    service(
        KEY_UNIT,
        [socket],
        health=f"curl -sf -m 5 http://127.0.0.1:{settings.storage_key_port}/adv",
        name="Run tang",
    )
barrier(name="the key hosts answer")

if encrypts(estate, here()):
    tool = [module_command("xteam-storage", "xteam_storage"), *carried("xteam_storage")]
    unit = HostFile(f"{systemd}/{UNIT}", "storage/xteam-storage.service.j2")
    fscrypt = HostFile("/etc/fscrypt.conf", "storage/fscrypt.conf.j2")
    config = HostFile(CONFIG, "storage/storage.json.j2", {"branches": BRANCHES})
    mounts = [HostFile(f"{systemd}/{one.unit}", "storage/branch.mount.j2", {"branch": one}) for one in BRANCHES]
    waits = [
        HostFile(f"{systemd}/{one.needed_by}.d/20-storage.conf", "storage/waits.conf.j2", {"branch": one})
        for one in BRANCHES
    ]
    write([*tool, unit, fscrypt, config, *mounts, *waits], name="Write the files of the encrypted tree")
    encrypted_tree(settings.storage_recovery, name="Lay the encrypted tree, and bind it to the key hosts")
    # A restart would take PostgreSQL along, a reload opens what is not open.
    service(UNIT, [*tool, unit, *waits], action="reload", name="Open the encrypted tree")
    service(BRANCHES[0].unit, [mounts[0]], action="reload", name="Put the database into the encrypted tree")
    service(BRANCHES[1].unit, [mounts[1]], action="reload", name="Put the archiver's spool into the encrypted tree")
barrier(name="storage is laid")

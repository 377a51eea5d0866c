"""The encrypted directory of a database host: set up once, bound to the Tang servers, never unmade."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from gevent.lock import BoundedSemaphore
from gevent.pool import Pool
from pyinfra import host, inventory, state
from pyinfra.api import OperationError, QuoteString, StringCommand, operation

from xteam_infra.engine.absent import down
from xteam_infra.engine.commands import Commands
from xteam_infra.engine.runtime import open_estate, secret
from xteam_infra.errors import Problem, SettingsError
from xteam_infra.layers.storage.facts import DataVolume, EncryptedDirectory, TangKeys, Volume
from xteam_infra.layers.storage.needs import DATA_DIRECTORY, ENCRYPTED_MOUNTS, encrypts, tang_servers, tang_url
from xteam_infra.secrets import Secret

_lock = BoundedSemaphore()
_found: list[list[Problem]] = []


def validate_volumes() -> None:
    """Raise SettingsError with every database host that has no volume to encrypt, or data that is not encrypted."""
    estate = open_estate()
    with _lock:
        if not _found:
            path = estate.storage.storage_path
            hosts = [one for one in inventory.get_active_hosts() if encrypts(estate, estate.machine(one.name))]
            volumes = Pool(20).map(lambda one: one.get_fact(DataVolume, path=path, _sudo=True), hosts)
            pairs = zip(hosts, volumes, strict=True)
            _found.append([p for one, volume in pairs for p in volume_problems(path, one.name, volume)])
    if _found[0]:
        raise SettingsError(_found[0])


def volume_problems(path: str, name: str, volume: Volume) -> Iterator[Problem]:
    """Why no encrypted directory can be set up on a host."""
    where = f"host {name}"
    if volume.fstype != "ext4":
        allowed = (
            'ext4 that can be encrypted (docs/operations/storage.md); or another storage_encryption than "fscrypt"'
        )
        yield Problem(where, "storage_path", f"{path} is on {volume.fstype or 'nothing'}", allowed)
    if volume.plain:
        yield Problem(
            where,
            "storage_encryption",
            f"a database in {DATA_DIRECTORY} that is not encrypted",
            "an empty place: docs/operations/storage.md says how to make the members anew, one at a time",
        )


@operation()
def encrypted_directory(recovery: Secret) -> Commands:
    """Set up the encrypted directory if there is none, and bind it to the Tang servers as they are now.

    A binding is made with the recovery key, so it can also be made when all Tang servers were lost. The encrypted
    directory stays open.
    """
    tree = host.get_fact(EncryptedDirectory)
    wanted = _binding(tree.binding or {})
    if not tree.exists:
        yield StringCommand("xteam-storage setup", _stdin=secret(recovery))
    if tree.binding == wanted and wanted:
        if tree.exists:
            host.noop("the encrypted directory is set up and bound to the present Tang servers")
        return
    if wanted is None and state.is_executing:
        raise OperationError("a Tang server has no keys: run deploys/storage.py on all hosts")
    yield StringCommand("xteam-storage bind", QuoteString(json.dumps(wanted)), _stdin=secret(recovery))


def _binding(present: Mapping[str, Any]) -> dict[str, Any] | None:
    """What clevis is to bind the encrypted directory to. None as long as a Tang server has no keys.

    present: what it is bound to now. It has the keys of a Tang server that is down.
    """
    estate = open_estate()
    known: dict[str, tuple[str, ...]] = {one["url"]: (one["thp"],) for one in present.get("pins", {}).get("tang", [])}
    servers = []
    for machine in tang_servers(estate):
        if down([machine]):
            thumbprints = known.get(tang_url(estate, machine), ())
        else:
            thumbprints = inventory.get_host(machine.name).get_fact(TangKeys, _sudo=True)
        if not thumbprints:
            return None
        servers.append({"url": tang_url(estate, machine), "thp": thumbprints[0]})
    return {"t": estate.storage.storage_tang_threshold, "pins": {"tang": servers}}


@operation()
def recovered(recovery: Secret) -> Commands:
    """Unlock a locked directory with the recovery key, and start what waits for it."""
    tree = host.get_fact(EncryptedDirectory)
    if not tree.exists or tree.is_open:
        host.noop("the encrypted directory is unlocked" if tree.is_open else "there is no encrypted directory")
        return
    units = [one.needed_by for one in ENCRYPTED_MOUNTS]
    starts = [f"{{ ! systemctl is-enabled -q {unit} || systemctl start {unit}; }}" for unit in units]
    yield StringCommand(" && ".join(["xteam-storage recover", *starts]), _stdin=secret(recovery))

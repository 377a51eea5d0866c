"""What is wrong when the encrypted directory can't be used, and where its files are."""

import json
import os
import tempfile
from pathlib import Path
from typing import NamedTuple

SETTINGS = Path("/etc/xteam/storage.json")
BINDING = Path("/etc/xteam/storage-binding.json")
NOT_HEALED_BY_TIME = 78


class StorageError(Exception):
    """What a person must read and act on."""

    status = 1


class Unusable(StorageError):
    """Trying again changes nothing."""

    status = NOT_HEALED_BY_TIME


class EncryptedMount(NamedTuple):
    """One directory of the encrypted one. where: its mount point. owner: its user and group."""

    name: str
    where: Path
    owner: str


class Volume(NamedTuple):
    """The file system with the encrypted directory `tree`, and the directories in that."""

    path: Path
    branches: tuple[EncryptedMount, ...]

    @property
    def tree(self) -> Path:
        return self.path / "xteam"


class Binding(NamedTuple):
    """config: the Tang servers, in clevis' words. protector: fscrypt's name of the key. jwe: the key, bound."""

    config: dict[str, object]
    protector: str
    jwe: str


def volume() -> Volume:
    """What the deploy says of this host."""
    found = json.loads(SETTINGS.read_text())
    branches = (EncryptedMount(one["name"], Path(one["where"]), one["owner"]) for one in found["branches"])
    return Volume(Path(found["path"]), tuple(branches))


def read_binding() -> Binding | None:
    """None: the directory has never been bound."""
    return Binding(**json.loads(BINDING.read_text())) if BINDING.exists() else None


def write_binding(binding: Binding) -> None:
    """Replace it whole. Nobody but root may read it."""
    handle, new = tempfile.mkstemp(dir=BINDING.parent, prefix=f".{BINDING.name}.")
    with os.fdopen(handle, "w") as file:
        file.write(json.dumps(binding._asdict(), indent=1) + "\n")
        file.flush()
        os.fsync(file.fileno())
    Path(new).replace(BINDING)

"""Settings of the storage layer: where the databases' files are encrypted, and who holds the key."""

from collections.abc import Iterator
from typing import ClassVar, Literal

from pydantic import Field

from xteam_infra.errors import Problem
from xteam_infra.secrets import Secret
from xteam_infra.settings.model import LayerSettings
from xteam_infra.settings.stored import Stored

LUKS2_REFUSED = (
    '"fscrypt", "provider" or "none": luks2 is not proved yet (no host this project is tested on has a device mapper)'
)


class StorageSettings(LayerSettings):
    """group_data/storage.py"""

    layer: ClassVar[str] = "storage"

    storage_encryption: Literal["fscrypt", "luks2", "provider", "none"] = "fscrypt"
    """fscrypt: the database's files lie in an encrypted tree that the host opens at boot with the help of the key
    hosts. provider: the cloud encrypts the volume, which somebody attests. none: nothing is encrypted, and DB-07 is
    red. luks2 is refused until it is proved."""
    storage_path: str = Field("/srv/data", pattern=r"^(/[A-Za-z0-9._-]+)+$")
    """Directory on each database host's data volume: ext4 with the feature `encrypt`."""
    storage_key_hosts: tuple[str, ...] = ()
    """Hosts that run tang. Empty: one in each region, no database host where there is another."""
    storage_key_threshold: int = Field(1, ge=1, le=9)
    """So many key hosts must answer before a tree opens. 1: the loss of a region does not keep a database down."""
    storage_key_port: int = Field(7070, ge=1024, le=65535)
    """Port of tang, open to the database hosts alone."""
    storage_recovery: Secret = Secret("storage/recovery")
    """The key for the day on which no key host is left. No host gets it."""

    def stored(self, estate) -> Iterator[Stored]:
        if self.storage_encryption == "fscrypt" and estate.members("postgres"):
            yield Stored(self.storage_recovery.name)

    def problems(self, estate) -> Iterator[Problem]:
        # The plan builds on the settings.
        from xteam_infra.layers.storage.needs import key_hosts

        if self.storage_encryption == "luks2":
            yield self.problem("storage_encryption", "luks2", LUKS2_REFUSED)
        known = {machine.name for machine in estate.machines}
        if unknown := sorted(set(self.storage_key_hosts) - known):
            yield self.problem("storage_key_hosts", unknown, f"hosts of the inventory: {', '.join(sorted(known))}")
            return
        if self.storage_encryption == "fscrypt" and estate.members("postgres"):
            servers = key_hosts(estate)
            if self.storage_key_threshold > len(servers):
                names = ", ".join(machine.name for machine in servers)
                yield self.problem(
                    "storage_key_threshold", self.storage_key_threshold, f"at most {len(servers)} (key hosts: {names})"
                )

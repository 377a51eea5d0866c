"""Settings of the storage layer: where the databases' files are encrypted, and who holds the key."""

from typing import ClassVar, Literal

from pydantic import Field

from xteam_infra.secrets import Secret
from xteam_infra.settings.model import LayerSettings


class StorageSettings(LayerSettings):
    """group_data/storage.py"""

    layer: ClassVar[str] = "storage"

    storage_encryption: Literal["fscrypt", "luks2", "provider", "none"] = "fscrypt"
    """fscrypt: the database's files lie in an encrypted directory that the host opens at boot with the help of the Tang
    servers. provider: the cloud encrypts the volume, which somebody attests. none: nothing is encrypted, and DB-07 is
    red. luks2 is refused until it is proved."""
    storage_path: str = Field("/srv/data", pattern=r"^(/[A-Za-z0-9._-]+)+$")
    """Directory on each database host's data volume: ext4 with the feature `encrypt`."""
    storage_tang_servers: tuple[str, ...] = ()
    """Hosts that run tang. Empty: one in each region, no database host where there is another."""
    storage_tang_threshold: int = Field(1, ge=1, le=9)
    """So many Tang servers must answer before an encrypted directory opens. 1: the loss of a region does not keep a
    database down."""
    storage_tang_port: int = Field(7070, ge=1024, le=65535)
    """Port of tang, open to the database hosts alone."""
    storage_recovery: Secret = Secret("storage/recovery")
    """The key for the day on which no Tang server is left. No host gets it."""

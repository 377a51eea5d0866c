"""Settings of the backup layer."""

from typing import ClassVar

from xteam_infra.settings.model import LayerSettings


class BackupSettings(LayerSettings):
    """group_data/backup.py"""

    layer: ClassVar[str] = "backup"

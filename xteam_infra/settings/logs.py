"""Settings of the logs layer: every host's journal, shipped to the collector."""

from typing import ClassVar

from pydantic import Field

from xteam_infra.settings.model import LayerSettings


class LogsSettings(LayerSettings):
    """group_data/logs.py"""

    layer: ClassVar[str] = "logs"

    logs_port: int = Field(19532, ge=1024, le=65535)
    """Port of the collector; 19532 is systemd-journal-remote's registered port."""
    logs_max_use_gb: int = Field(20, ge=1)
    """Disk the collected journals may use; the oldest are dropped first."""
    logs_keep_free_gb: int = Field(2, ge=1)
    """Disk the collector leaves free for others."""
    logs_retention_days: int = Field(90, ge=1, le=3650)
    """Days collected logs are kept: say in your privacy policy what you choose here."""

"""Settings of the base layer: the operating system every other layer stands on."""

from typing import ClassVar

from pydantic import Field

from xteam_infra.settings.model import LayerSettings


class BaseSettings(LayerSettings):
    """group_data/base.py"""

    layer: ClassVar[str] = "base"

    timezone: str = "Etc/UTC"
    """Zone of every host's clock. UTC keeps logs of all hosts comparable."""
    unattended_upgrades_enabled: bool = True
    """Install Debian's security updates daily, without rebooting."""
    journal_max_use_mb: int = Field(1024, ge=64, le=1_000_000)
    """Disk the local journal may use. It must hold what is logged during the longest collector outage."""
    journal_retention_days: int = Field(14, ge=1, le=3650)
    """Days local logs are kept."""
    own_units: tuple[str, ...] = ()
    """Units of yours beside the estate's, as patterns such as "amazon-ssm-agent.service". Others that start at boot
    or run fail the verification."""
    memory_reserve_mb: int = Field(512, ge=128)
    """Memory kept for the operating system when the host plan adds up what services may use."""
    disk_free_min_gb: int = Field(5, ge=1)
    """Preflight refuses a host with less free space on /."""

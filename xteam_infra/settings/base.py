"""Settings of the base layer: the operating system every other layer stands on."""

from collections.abc import Iterator
from typing import ClassVar

from pydantic import Field

from xteam_infra.errors import Problem
from xteam_infra.settings.model import LayerSettings

DAY_MINUTES = 24 * 60


class BaseSettings(LayerSettings):
    """group_data/base.py"""

    layer: ClassVar[str] = "base"

    timezone: str = "Etc/UTC"
    """Zone of every host's clock. UTC keeps logs of all hosts comparable."""
    unattended_upgrades_enabled: bool = True
    """Install Debian's security updates daily, without rebooting."""
    updates_first_at: str = Field("01:00", pattern=r"^([01]\d|2[0-3]):[0-5]\d$")
    """When the first host of the inventory installs updates, in its time zone; the others follow one by one."""
    updates_spacing_minutes: int = Field(30, ge=5, le=720)
    """Minutes between two hosts, so that an update that breaks a service reaches one host alone."""
    updates_reboot_days: int = Field(7, ge=1, le=90)
    """Days a host may wait for its reboot, or a service for its restart, after an update; then OPS-01 is red."""
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

    def problems(self, estate) -> Iterator[Problem]:
        hosts = len(estate.machines)
        if hosts * self.updates_spacing_minutes > DAY_MINUTES:
            allowed = f"at most {DAY_MINUTES // hosts}: {hosts} hosts take turns within a day"
            yield self.problem("updates_spacing_minutes", self.updates_spacing_minutes, allowed)

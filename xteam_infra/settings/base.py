"""Settings of the base layer: the operating system every other layer stands on."""

from typing import ClassVar

from pydantic import Field

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
    updates_reboot_window: str | None = Field(None, pattern=r"^([01]\d|2[0-3]):[0-5]\d-([01]\d|2[0-3]):[0-5]\d$")
    """When hosts may be rebooted, as "02:00-05:00", in `timezone`. None: whenever somebody runs tasks/reboot.py."""
    updates_reboot_themselves: bool = False
    """Hosts that wait for a reboot carry it out within the window, one by one, while everything else is whole."""
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
    hosts: str | None = Field(None, exclude=True)
    """Only for tasks/reboot.py, as --data hosts=db1,db2: these hosts instead of those that wait for a reboot."""
    now: bool = Field(False, exclude=True)
    """Only for tasks/reboot.py, as --data now=true: also outside of the window."""


def window_minutes(window: str) -> tuple[int, int]:
    """(start, length) of HH:MM-HH:MM in minutes; it may go over midnight, and one that ends as it starts is a day."""
    start, end = ((int(part[:2]) * 60 + int(part[3:])) for part in window.split("-"))
    return start, (end - start) % DAY_MINUTES or DAY_MINUTES

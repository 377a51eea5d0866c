"""The operator's commands for backups and restores, and the modules behind them."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from xteam_infra.engine.host_packages import module_command, package_files, shell_command
from xteam_infra.engine.operations import HostFile
from xteam_infra.layers.backup.needs import REHEARSALS
from xteam_infra.settings.backup import BackupSettings

# Each with the module it starts.
DATABASE_COMMANDS = {"xteam-restore": "xteam_backup.restore"}
REPOSITORY_COMMANDS = {
    "xteam-backup": "xteam_backup.jobs",
    "xteam-backup-metrics": "xteam_backup.metrics",
    **DATABASE_COMMANDS,
}


def operator_files(context: Mapping[str, Any], commands: Mapping[str, str]) -> Iterator[HostFile]:
    """Commands, their settings, and the modules, copied as they are."""
    yield HostFile("/etc/xteam/backup.json", "backup/backup.json.j2", {**context, "rehearsals": REHEARSALS})
    for name, module in commands.items():
        yield module_command(name, module)
    yield from package_files("xteam_backup")


def storage_authority(settings: BackupSettings, path: str) -> list[HostFile]:
    """The authority that signed the object storage's certificate, when it is not a public one."""
    if not settings.backup_s3_ca:
        return []
    return [HostFile(path, text=Path(settings.backup_s3_ca).expanduser().read_text())]


def recovery_marker_files() -> list[HostFile]:
    """What writes a marker each minute on the leader; the timer is the last."""
    systemd = "/etc/systemd/system"
    return [
        shell_command("xteam-recovery-marker"),
        HostFile(f"{systemd}/xteam-recovery-marker.service", "backup/xteam-recovery-marker.service.j2"),
        HostFile(f"{systemd}/xteam-recovery-marker.timer", "backup/xteam-recovery-marker.timer.j2"),
    ]

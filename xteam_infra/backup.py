"""The operator's commands for backups and restores, and the modules behind them."""

from collections.abc import Iterator, Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any

from xteam_infra import on_host
from xteam_infra.operations import HostFile

MODULES = "/usr/local/lib/xteam"
REPOSITORY_COMMANDS = ("xteam-backup", "xteam-backup-metrics", "xteam-restore")
DATABASE_COMMANDS = ("xteam-restore",)


def operator_files(context: Mapping[str, Any], commands: tuple[str, ...]) -> Iterator[HostFile]:
    """Commands, their settings, and the modules, copied as they are."""
    yield HostFile("/etc/xteam/backup.json", "backup/backup.json.j2", context)
    for name in commands:
        yield HostFile(f"/usr/local/sbin/{name}", f"backup/{name}.j2", {**context, "modules": MODULES}, mode="755")
    package = Path(str(files(on_host))) / "xteam_backup"
    for module in sorted(package.glob("*.py")):
        yield HostFile(f"{MODULES}/{package.name}/{module.name}", text=module.read_text())


def marker_files() -> list[HostFile]:
    """What writes a marker each minute on the leader; the timer is the last."""
    systemd = "/etc/systemd/system"
    return [
        HostFile("/usr/local/sbin/xteam-marker", "backup/xteam-marker.j2", mode="755"),
        HostFile(f"{systemd}/xteam-marker.service", "backup/xteam-marker.service.j2"),
        HostFile(f"{systemd}/xteam-marker.timer", "backup/xteam-marker.timer.j2"),
    ]

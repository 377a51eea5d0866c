"""The environments releases have worked with, kept so that a release of before starts with what it knows."""

import os
import shutil
from pathlib import Path

from xteam_switch.settings import Settings


def restore_environment(settings: Settings, release: str) -> None:
    """Put back the environment a release worked with, if it is known."""
    kept = _kept(settings) / f"{release}.env"
    if kept.exists() and kept.read_bytes() != settings.environment.read_bytes():
        _replace(kept, settings.environment, 0o640, settings.group)


def keep_environment(settings: Settings, release: str) -> None:
    """Remember the environment as one this release works with; forget those of releases that are gone."""
    _kept(settings).mkdir(mode=0o700, exist_ok=True)
    _replace(settings.environment, _kept(settings) / f"{release}.env", 0o600, "root")
    for kept in _kept(settings).glob("*.env"):
        if not settings.release(kept.stem).exists():
            kept.unlink()


def _kept(settings: Settings) -> Path:
    return settings.environment.with_name("environments")


def _replace(source: Path, target: Path, mode: int, group: str) -> None:
    """Copy a file that holds secrets; it is never readable by more than it will be."""
    new = target.with_name(f".{target.name}.new")
    new.unlink(missing_ok=True)
    os.close(os.open(new, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    new.write_bytes(source.read_bytes())
    shutil.chown(new, "root", group)
    new.chmod(mode)
    new.replace(target)

"""What the deploy says of this host's API: /etc/xteam/switch.json."""

import json
from pathlib import Path
from typing import NamedTuple

SETTINGS = Path("/etc/xteam/switch.json")


class Settings(NamedTuple):
    """address, ports: where the instances answer, by colour. edges: addresses of those that send requests.

    serves: whether this host has an API at all. drained: a file here named after a colour keeps requests away from it.
    switched: where is noted what serves. environment: the file every process starts with, for `group`.
    drain_seconds, ready_seconds: how long is waited. log_errors_allowed: how many a new instance may log.
    """

    address: str
    ca: str
    drain_seconds: int
    drained: Path
    edges: list[str]
    environment: Path
    group: str
    log_errors_allowed: int
    ports: dict[str, int]
    ready_path: str
    ready_seconds: int
    releases: Path
    root: Path
    server_name: str
    serves: bool
    switched: Path

    def release(self, name: str) -> Path:
        """The directory of a release."""
        return self.releases / name


def read_settings() -> Settings:
    """Those of this host."""
    found = json.loads(SETTINGS.read_text())
    paths = {name: Path(found[name]) for name in ("drained", "environment", "releases", "root", "switched")}
    return Settings(**{**found, **paths})


def point(link: Path, target: Path) -> None:
    """Have a symbolic link point elsewhere, at once."""
    new = link.with_suffix(".new")
    new.unlink(missing_ok=True)
    new.symlink_to(target)
    new.replace(link)

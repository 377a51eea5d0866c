"""Offers one snapshot to the Redis hosts while a restore runs."""

import os
import tempfile
from pathlib import Path

from xteam_redis_backup.common import HOME, work
from xteam_redis_backup.repository import Repository


def serve(role: str, snapshot: str, repository: Repository) -> None:
    """Become an instance with the snapshot, which the Redis hosts can copy and do nothing else with."""
    directory = Path(tempfile.mkdtemp(prefix="serve-", dir=work()))
    facts = repository.fetch(role, snapshot, directory)
    print(f"{role}: {facts['keys']} keys of {facts['taken']} from repository {repository.number}", flush=True)
    words = ["redis-server", str(HOME / f"serve-{role}.conf"), "--dir", str(directory / role)]
    os.execvp(words[0], words)  # noqa: S606 - it is the unit's process from now on, and tells systemd when it is ready

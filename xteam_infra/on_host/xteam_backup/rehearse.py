"""A release's migrations, rehearsed on a copy of the databases: the newest backup and its WAL, beside the repository.

The release's code runs in an account made for the run, without a network; of this host it reaches the copy's socket.
"""

import shutil
import subprocess
import time
from pathlib import Path

from xteam_backup.common import BackupError, Settings, say
from xteam_backup.scratch import Scratches
from xteam_backup.targets import Target

NAME = "rehearsal"
# Where the release's code finds the socket: a directory that every host has, and that is empty for it otherwise.
SOCKETS = "/mnt"
CONFINED = ("DynamicUser=yes", "PrivateNetwork=yes", "PrivateDevices=yes", "ProtectHome=yes", "NoNewPrivileges=yes")
# As much as a migration has on the application's hosts.
MEMORY = "MemoryMax=512M"


def rehearse(settings: Settings, release: str) -> None:
    """Restore, migrate, and remove both again. Raises BackupError when the migrations fail on the copy."""
    # Who may log in without a password has to come through a directory that is postgres' and root's alone.
    access = f"local {settings['database']} {settings['migrator']} trust\n"
    scratches, tree = Scratches(settings, 1, access=access), Path(settings["rehearsals"]) / release
    try:
        if (scratches.directory / NAME).exists():
            scratches.remove(NAME)
        scratches.require_owned()
        backup = scratches.make(NAME, Target("default"))
        say(f"the copy is backup {backup['label']} and what was archived since; migrate it")
        began = time.monotonic()
        _migrate(scratches, tree)
        say(f"rehearsed: the migrations of {release} took {time.monotonic() - began:.1f} s on a copy of the data")
    finally:
        shutil.rmtree(tree, ignore_errors=True)
        if (scratches.directory / NAME).exists():
            scratches.remove(NAME)


def _migrate(scratches: Scratches, tree: Path) -> None:
    """Run the release's migrations on the copy, and show what they say as they say it."""
    settings = scratches.settings
    socket = f".s.PGSQL.{settings['port']}"
    bound = f"BindPaths={scratches.directory / NAME / socket}:{SOCKETS}/{socket}"
    properties = [*CONFINED, MEMORY, "WorkingDirectory=/", f"TemporaryFileSystem={SOCKETS}", bound]
    environment = {
        "POSTGRES_HOST": SOCKETS,
        "POSTGRES_PORT": settings["port"],
        "POSTGRES_DB": settings["database"],
        "POSTGRES_USER": settings["migrator"],
        "POSTGRES_PASSWORD": "none",  # the socket asks for none, and knows no TLS
        "POSTGRES_SSLMODE": "verify-full",
        "POSTGRES_SSLROOTCERT": settings["ca"],
        "PYTHONUNBUFFERED": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    words = ["systemd-run", "--quiet", "--collect", "--pipe", "--wait", "--service-type=exec"]
    words += [f"--property={one}" for one in properties]
    words += [f"--setenv={name}={value}" for name, value in environment.items()]
    words += [str(tree / "venv/bin/python"), "-m", settings["migrate_module"], "upgrade"]
    with subprocess.Popen(
        words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace"
    ) as run:
        for line in run.stdout or ():
            say(line.rstrip())
    if run.returncode != 0:
        raise BackupError(f"the migrations of {tree.name} fail on a copy of the data: nothing was changed")

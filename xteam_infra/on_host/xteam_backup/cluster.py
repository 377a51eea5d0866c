"""A restore in place: on one database host, while Patroni is stopped on all. tasks/restore.py is the conductor.

The data directory is moved aside, never deleted. When anything fails it is moved back.
"""

import re
import shutil
import subprocess
import time
from pathlib import Path

from xteam_backup.common import BackupError, Record, Settings, as_postgres, read_settings, say
from xteam_backup.repository import usable
from xteam_backup.scratch import ENDED_EARLY, backup_for, configuration, require_disk_space
from xteam_backup.targets import Target

_SETTINGS = read_settings()
DATA = Path(_SETTINGS["data"])
WORK = DATA.with_name("restoring")
PG_CTL = f"{_SETTINGS['programs']}/pg_ctl"
# What pgBackRest writes for the recovery; a member that later follows must not find it.
LEFTOVER = re.compile(r"^(restore_command|recovery_target\w*)\s*=.*\n?", re.MULTILINE)


def refuse(settings: Settings, target: Target, repository: int, label: str) -> Record:
    """The backup to begin with. Raises BackupError when the restore can't be carried out on this host."""
    backup = backup_for(usable(settings, repository), target, label)
    require_disk_space(DATA.parent, backup["info"]["size"])
    return backup


def set_aside() -> Path | None:
    """Move the data directory out of the way; where it is now. Nothing is deleted."""
    if not DATA.exists() or not any(DATA.iterdir()):
        return None
    if as_postgres(PG_CTL, "status", "-D", str(DATA), check=False).returncode == 0:
        raise BackupError("PostgreSQL runs on this host: stop Patroni first")
    aside = DATA.with_name(f"main.before-{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}")
    DATA.rename(aside)
    say(f"the old data is in {aside}; once it is no longer wanted: sudo rm -r {aside}")
    return aside


def restore(settings: Settings, target: Target, repository: int, label: str, timeline: str) -> None:
    """Make this host's data directory what the repository says, and open it once, so that its new timeline begins."""
    backup = refuse(settings, target, repository, label)
    aside = set_aside()
    try:
        _copy(settings, target, repository, backup["label"], timeline)
        _replay(settings, target)
    except BaseException:
        as_postgres(PG_CTL, "stop", "-m", "immediate", "-D", str(DATA), check=False)
        if DATA.exists():
            shutil.rmtree(DATA)
        if aside:
            aside.rename(DATA)
            say("the restore failed: the old data directory is back; deploys/postgres.py starts the cluster with it")
        raise
    finally:
        shutil.rmtree(WORK, ignore_errors=True)


def _copy(settings: Settings, target: Target, repository: int, label: str, timeline: str) -> None:
    say(f"restore backup {label} from repository {repository} into {DATA}")
    for path in (DATA, WORK):
        path.mkdir(mode=0o700)
        shutil.chown(path, "postgres", "postgres")
    as_postgres(
        "pgbackrest", f"--stanza={settings['stanza']}", f"--repo={repository}", f"--set={label}",
        f"--process-max={settings['processes']}", *target.words, f"--target-timeline={timeline}", "restore",
    )  # fmt: skip


def _replay(settings: Settings, target: Target) -> None:
    (WORK / "pg_hba.conf").write_text("local all all peer\n")
    (WORK / "pg_ident.conf").write_text("")
    text = configuration(WORK, DATA, settings)
    # What begins here must be in the archive from its first segment on.
    archiving = f"archive_mode = on\narchive_command = 'pgbackrest --stanza={settings['stanza']} archive-push %p'\n"
    text = text.replace("fsync = off\n", "") + archiving + "listen_addresses = ''\nssl = off\n"
    (WORK / "postgresql.conf").write_text(f"{text}unix_socket_directories = '{WORK}'\nport = {settings['port']}\n")
    say("replay the archive")
    if not _opens(settings):
        if target.kind not in ("time", "lsn") or ENDED_EARLY not in _log():
            raise BackupError(f"the restored database did not open:\n{_log()}")
        with (DATA / "postgresql.auto.conf").open("a") as file:
            file.write("recovery_target_time = ''\nrecovery_target_lsn = ''\n")
        say("nothing after the target is archived: take all there is")
        if not _opens(settings):
            raise BackupError(f"the restored database did not open:\n{_log()}")
    _ask(settings, "checkpoint")
    as_postgres(PG_CTL, "stop", "-m", "fast", "-w", "-t", str(settings["seconds"]), "-D", str(DATA))
    auto = DATA / "postgresql.auto.conf"
    auto.write_text(LEFTOVER.sub("", auto.read_text()))
    say("restored: Patroni may start")


def _opens(settings: Settings) -> bool:
    """Start it and wait until it has replayed what it should and accepts connections; False when it ends instead."""
    words = ["-o", f"-c config_file={WORK}/postgresql.conf", "-l", f"{WORK}/log", "--no-wait"]
    as_postgres(PG_CTL, "start", "-D", str(DATA), *words)
    deadline = time.monotonic() + settings["seconds"]
    time.sleep(1)  # its process number is not written at once
    while as_postgres(PG_CTL, "status", "-D", str(DATA), check=False).returncode == 0:
        if _ask(settings, "select 1", check=False).returncode == 0:
            return True
        if time.monotonic() > deadline:
            raise BackupError(f"not open after {settings['seconds']} s (restore_seconds):\n{_log()}")
        time.sleep(0.5)
    return False


def _ask(settings: Settings, sql: str, check: bool = True) -> subprocess.CompletedProcess[str]:
    where = ("-h", str(WORK), "-p", str(settings["port"]), "-d", "postgres")
    return as_postgres("psql", "-XqAt", *where, "-c", sql, check=check)


def _log() -> str:
    path = WORK / "log"
    return "\n".join(path.read_text(errors="replace").splitlines()[-40:]) if path.exists() else ""

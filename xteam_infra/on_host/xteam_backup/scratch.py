"""Scratch instances on the backup host: a copy of the databases beside the repository. The cluster is never touched."""

import shutil
import subprocess
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

from xteam_backup.common import BackupError, Record, Settings, as_postgres, say, stamp
from xteam_backup.identity import require_owned
from xteam_backup.repository import info, usable
from xteam_backup.targets import Target

# The end of the archive before the target: PostgreSQL's words.
ENDED_EARLY = "recovery ended before configured recovery target was reached"
# WAL written now is archived after archive_timeout at the latest, and then takes its way.
ARCHIVE_SLACK_SECONDS = 15
COUNT_SECONDS = 20


def backup_for(backups: list[Record], target: Target, label: str = "") -> Record:
    """The backup a restore begins with: the newest before the target, or the one of that label."""
    if label:
        named = [one for one in backups if one["label"] == label]
        if not named:
            raise BackupError(f"there is no backup {label!r}; there are: {', '.join(one['label'] for one in backups)}")
        return named[0]
    if target.kind == "time":
        assert target.moment
        before = [one for one in backups if one["timestamp"]["stop"] < target.moment.timestamp()]
        first = f"which was complete at {stamp(datetime.fromtimestamp(backups[0]['timestamp']['stop'], UTC))}"
    elif target.kind == "lsn":
        before = [one for one in backups if _place(one["lsn"]["stop"]) <= _place(target.value)]
        first = f"which ends at {backups[0]['lsn']['stop']}"
    else:
        return backups[-1]
    if not before:
        raise BackupError(f"target {target.value} is before the first backup, {first}: later moments can be restored")
    return before[-1]


def _place(lsn: str) -> int:
    high, _, low = lsn.partition("/")
    return int(high, 16) << 32 | int(low, 16)


def require_disk_space(directory: Path, size: int) -> None:
    """The copy needs the database's size, and room for the WAL it replays."""
    free = shutil.disk_usage(directory).free
    needed = int(size * 1.1) + 512 * 2**20
    if free < needed:
        raise BackupError(
            f"{directory} has {free / 2**30:.1f} GiB free; this restore needs {needed / 2**30:.1f} GiB: "
            "remove old scratch instances (xteam-restore list) or set restore_directory in group_data/backup.py"
        )


def configuration(path: Path, data: Path, settings: Settings) -> str:
    """Debian keeps the server's configuration outside of the data directory, so a backup has none."""
    return "\n".join(
        [
            f"data_directory = '{data}'",
            f"hba_file = '{path / 'pg_hba.conf'}'",
            f"ident_file = '{path / 'pg_ident.conf'}'",
            # Without it the parameters of the cluster, such as max_connections, would have to be matched.
            "hot_standby = off",
            f"shared_preload_libraries = '{settings['preload']}'",
            f"shared_buffers = {settings['memory_mb'] // 4}MB",
            "max_connections = 20",
            "autovacuum = off",
            "logging_collector = off",
            "log_destination = stderr",
            # A copy that can be made again need not survive a crash.
            "fsync = off",
            "",
        ]
    )


class Scratches:
    """The scratch instances of this host, made from one repository."""

    def __init__(
        self, settings: Settings, repository: int, timeline: str = "latest", access: str = "", aside: str = ""
    ):
        """access: lines of pg_hba.conf that let in others than postgres. aside: a cluster that is kept aside."""
        self.settings, self.repository, self.timeline, self.access = settings, repository, timeline, access
        kept = f"{settings['paths'][str(repository)]}/aside/{aside}"
        self.place = [f"--repo{repository}-path={kept}"] if aside else []
        self.directory = Path(settings["directory"])

    def overview(self) -> None:
        """Name, state and size of each."""
        for path in sorted(self.directory.iterdir()):
            size = subprocess.run(["du", "-sm", path], capture_output=True, text=True, check=False).stdout.split()[0]
            print(f"{path.name:<24} {self.unit_state(path.name):<10} {size:>8} MB  {self.connect(path.name)}")

    def stop(self, name: str) -> None:
        """Shut one down."""
        subprocess.run(["systemctl", "stop", self.unit(name)], check=False)
        subprocess.run(["systemctl", "reset-failed", self.unit(name)], capture_output=True, check=False)

    def remove(self, name: str) -> None:
        """Stop one and delete it."""
        path = self.directory / name
        if path.parent != self.directory or not name or not path.is_dir():
            names = ", ".join(one.name for one in sorted(self.directory.iterdir())) or "none"
            raise BackupError(f"there is no scratch instance {name!r}; there are: {names}")
        self.stop(name)
        shutil.rmtree(path)
        say(f"removed {name}")

    def restore(self, target: Target, replace: bool, label: str) -> None:
        """Restore into a new scratch instance, start it, wait until it is open, and say what is in it."""
        backup_for(self.usable(), target, label)
        name = target.slug
        path = self.directory / name
        if path.exists():
            if not replace:
                raise BackupError(
                    f"{path} is in use by an earlier restore of this moment. Look at it: {self.connect(name)}. "
                    f"Replace it: --data replace=true (here: --replace). Remove it: xteam-restore remove {name}"
                )
            self.remove(name)
        self.make(name, target, label)
        self.report(name, target)

    def make(self, name: str, target: Target, label: str = "") -> Record:
        """Copy a backup, start it and replay up to the target; the backup. Leaves nothing behind when it fails."""
        backup = backup_for(self.usable(), target, label)
        require_disk_space(self.directory, backup["info"]["size"])
        path = self.directory / name
        path.mkdir(mode=0o700)
        shutil.chown(path, "postgres", "postgres")
        try:
            self._copy(path, target, backup)
            self._start(name, target)
        except BaseException:
            self.remove(name)
            raise
        return backup

    def require_owned(self) -> None:
        """Raise BackupError when the repository is not of the cluster that runs."""
        require_owned(
            info(self.settings, f"--repo={self.repository}", f"--config={self.settings['keys']}"), self.repository
        )

    def usable(self) -> list[Record]:
        return usable(self.settings, self.repository, f"--config={self.settings['keys']}", *self.place)

    def _copy(self, path: Path, target: Target, backup: Record) -> None:
        size = backup["info"]["size"] / 2**20
        say(f"restore backup {backup['label']} ({size:.0f} MB) from repository {self.repository} into {path}")
        (path / "postgresql.conf").write_text(configuration(path, path / "data", self.settings))
        (path / "pg_hba.conf").write_text(f"{self.access}local all all peer\n")
        (path / "pg_ident.conf").write_text("")
        as_postgres(
            "pgbackrest", f"--config={self.settings['keys']}", f"--stanza={self.settings['stanza']}",
            f"--repo={self.repository}", *self.place, f"--pg1-path={path / 'data'}", f"--lock-path={path / 'lock'}",
            "--log-level-file=off", f"--set={backup['label']}", f"--process-max={self.settings['processes']}",
            *target.words, f"--target-timeline={self.timeline}", "restore",
        )  # fmt: skip

    def _start(self, name: str, target: Target) -> None:
        """Start it and wait until it accepts connections. When the archive ends before the target, take all of it."""
        say("start it and replay the archive")
        if self.opens(name):
            return
        if target.kind not in ("time", "lsn") or ENDED_EARLY not in self.log(name):
            raise BackupError(f"the scratch instance did not come up:\n{self.log(name)}{_about_names(target)}")
        if target.moment and self._wait_for_archive(target.moment) and self.opens(name):
            return
        # No transaction after the target is archived, so there is no place to stop at: take all there is.
        with (self.directory / name / "data" / "postgresql.auto.conf").open("a") as file:
            file.write("recovery_target_time = ''\nrecovery_target_lsn = ''\n")
        if not self.opens(name):
            raise BackupError(f"the scratch instance did not come up:\n{self.log(name)}")
        say("no transaction after the target is archived, so all that is archived was replayed")

    def _wait_for_archive(self, moment: datetime) -> bool:
        """What was written up to a moment is in the archive only a little later. True when it was worth waiting."""
        arrives = moment + timedelta(seconds=self.settings["archive_seconds"] + ARCHIVE_SLACK_SECONDS)
        seconds = (arrives - datetime.now(UTC)).total_seconds()
        if seconds > 0:
            say(f"wait {seconds:.0f} s: what was written up to {stamp(moment)} is archived by then")
            time.sleep(seconds)
        return seconds > 0

    def opens(self, name: str) -> bool:
        """Start the unit; False when it ends instead of accepting connections."""
        subprocess.run(["systemctl", "reset-failed", self.unit(name)], capture_output=True, check=False)
        subprocess.run(["systemctl", "start", self.unit(name)], capture_output=True, check=False)
        deadline = time.monotonic() + self.settings["seconds"]
        while self.unit_state(name) in ("active", "activating"):
            if self.query(name, "postgres", "select 1") == "1":
                return True
            if time.monotonic() > deadline:
                raise BackupError(f"not open after {self.settings['seconds']} s (restore_seconds):\n{self.log(name)}")
            time.sleep(0.3)
        return False

    # --- What is in it

    def report(self, name: str, target: Target) -> None:
        """What was restored, how to look at it, how to remove it."""
        say(f"open: {target.value or 'the end of the archive'}")
        for line in self.log(name).splitlines():
            if "last completed transaction" in line or "recovery stopping" in line:
                say(line.split("LOG:")[-1].strip())
        databases = self.answer(name, "postgres", "select datname from pg_database where not datistemplate order by 1")
        for database in databases.splitlines():
            for table, rows in self.rows(name, database):
                print(f"  {database}: {table}: {rows} rows", flush=True)
        print(f"Connect: {self.connect(name)}")
        print(f"Remove:  sudo xteam-restore remove {name}", flush=True)

    def rows(self, name: str, database: str) -> list[tuple[str, str]]:
        """Rows of the largest tables; "about" where counting takes too long."""
        largest = (
            "select s.relid::regclass || ' ' || c.reltuples::bigint from pg_stat_user_tables s"
            " join pg_class c on c.oid = s.relid order by pg_table_size(s.relid) desc limit 20"
        )
        found = []
        for line in self.answer(name, database, largest).splitlines():
            table, _, estimate = line.rpartition(" ")
            exact = self.query(
                name,
                database,
                f"set statement_timeout = '{COUNT_SECONDS}s'; select count(*) from {table}",  # noqa: S608
            )
            found.append((table, exact or f"about {estimate}"))
        return found

    def answer(self, name: str, database: str, sql: str) -> str:
        """What psql says. Raises BackupError when it fails."""
        found = self.query(name, database, sql)
        if found is None:
            raise BackupError(f"{name} is open but does not answer: {sql}")
        return found

    def query(self, name: str, database: str, sql: str) -> str | None:
        """What psql says; None when it fails."""
        words = ("-h", str(self.directory / name), "-p", str(self.settings["port"]), "-d", database)
        done = as_postgres("psql", "-XqAt", *words, "-c", sql, check=False)
        return done.stdout.strip() if done.returncode == 0 else None

    def connect(self, name: str) -> str:
        """The command that opens a session."""
        words = ["-h", str(self.directory / name), "-p", str(self.settings["port"]), self.settings["database"]]
        return f"sudo -u postgres psql {' '.join(words)}"

    def unit(self, name: str) -> str:
        return f"xteam-restore@{name}.service"

    def unit_state(self, name: str) -> str:
        words = ["systemctl", "show", "-p", "ActiveState", "--value", self.unit(name)]
        return subprocess.run(words, capture_output=True, text=True, check=False).stdout.strip()

    def log(self, name: str) -> str:
        """What the instance's last start said."""
        words = ["systemctl", "show", "-p", "InvocationID", "--value", self.unit(name)]
        invocation = subprocess.run(words, capture_output=True, text=True, check=False).stdout.strip()
        words = ["journalctl", "--no-pager", "-o", "cat", "-n", "40", f"_SYSTEMD_INVOCATION_ID={invocation}"]
        return subprocess.run(words, capture_output=True, text=True, check=False).stdout


def _about_names(target: Target) -> str:
    if target.kind != "name":
        return ""
    return (
        f"\nThe restore point {target.value!r} is not after the newest backup; if it is older, say from which backup: "
        "--data backup=LABEL (sudo -u postgres pgbackrest info)"
    )

"""A release or a rollback as its own run: what it deploys, who runs it, and what is told to whom."""

import getpass
import socket
import subprocess
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path

from xteam_infra.engine.once import OncePer
from xteam_infra.engine.runtime import PROJECT
from xteam_infra.errors import Problem, SettingsError
from xteam_infra.estate import Estate
from xteam_infra.machine import Machine
from xteam_infra.release import Release, ReleaseError, build, index
from xteam_infra.release.record import Entry, Record, path, read
from xteam_infra.settings.window import following, inside

VERSIONS = (
    "a ref of app_source if that is a git address, a version if it is NAME==VERSION of a package index; "
    "or a directory, a wheel, NAME==VERSION, ADDRESS@REF of git"
)


@dataclass
class Deployment:
    """One run of tasks/release.py or tasks/rollback.py. verb: "release" or "rollback"."""

    estate: Estate
    verb: str
    entry: Entry
    record: Record

    @cached_property
    def owner(self) -> str:
        """Who runs this, and which of his runs it is."""
        return f"{who()}, since {datetime.now(UTC):%H:%M:%S} UTC"

    @property
    def title(self) -> str:
        """For people."""
        name = f"{self.entry.version} ({self.entry.id})" if self.entry.version != self.entry.id else self.entry.id
        return f"{self.verb} of {name} on {self.estate.all.domain}"


_begun: OncePer[Deployment] = OncePer()


def begun(estate: Estate) -> Deployment | None:
    """The release or rollback this run is."""
    return _begun.get(estate)


def under_way(estate: Estate) -> Deployment:
    """The release or rollback this run is. Raises SettingsError when it is neither."""
    found = begun(estate)
    if found is None:
        raise SettingsError([Problem("this deploy", "run", "by itself", "tasks/release.py or tasks/rollback.py")])
    return found


def record_file(estate: Estate) -> Path:
    """Where the estate's releases are recorded."""
    return path(estate.app.app_release_directory, estate.inventory)


def begin_release(estate: Estate, version: str | None) -> Deployment:
    """This run releases a version. Raises SettingsError without one, ReleaseError when it can't be had."""
    return _begun.ask(estate, lambda: _release(estate, version))


def _release(estate: Estate, version: str | None) -> Deployment:
    if not version:
        raise SettingsError([Problem("--data", "version", "nothing", VERSIONS)])
    require_open_window(estate)
    source = source_of(version, estate.app.app_source)
    release = build(source)
    record = read(record_file(estate))
    entry = _signed(Entry(id=release.id, version=version, source=source, sha256=release.sha256))
    return Deployment(estate, "release", entry, record.released(entry))


def begin_rollback(estate: Estate) -> Deployment:
    """This run goes back to the release before. Raises ReleaseError when there is none."""
    return _begun.ask(estate, lambda: _rollback(estate))


def _rollback(estate: Estate) -> Deployment:
    record = read(record_file(estate))
    if record.before is None:
        raise ReleaseError(f"nothing to go back to: {record_file(estate)} names no release before the present one")
    return Deployment(estate, "rollback", record.before, record.rolled_back())


def wanted(estate: Estate) -> Release:
    """The release to run: this run's, or the recorded one, or else what app_source says."""
    deployment = begun(estate)
    entry = deployment.entry if deployment else read(record_file(estate)).wanted
    return recorded(entry) if entry else build(estate.app.app_source)


def declared(estate: Estate) -> str:
    """The id of the release that the estate is to run apart from this run; nothing if that can't be told."""
    try:
        entry = read(record_file(estate)).wanted
        return entry.id if entry else build(estate.app.app_source).id
    except ReleaseError:
        return ""


def recorded(entry: Entry) -> Release:
    """A release that was built before; its archive may be gone, when every host has it unpacked."""
    return Release.known(entry.id, entry.sha256, entry.source)


def source_of(version: str, app_source: str) -> str:
    """What is to be built for a version. Raises ReleaseError when that can't be told."""
    if "://" in version or version.startswith("git@") or version.endswith(".whl") or Path(version).is_dir():
        return version
    if index.is_requirement(version):
        return version
    if index.is_requirement(app_source) and index.is_requirement(found := index.version_of(app_source, version)):
        return found
    if "://" not in app_source and not app_source.startswith("git@"):
        raise ReleaseError(f"unknown version {version}: app_source is {app_source}. Allowed: {VERSIONS}")
    address, mark, subdirectory = app_source.partition("#")
    head, at, _ = address.rpartition("@")
    address = head if at and ("/" in head or ":" in head) else address
    return f"{address}@{version}{mark}{subdirectory}"


def require_open_window(estate: Estate) -> None:
    """Raise SettingsError outside of the maintenance window, unless this run says that it knows."""
    settings = estate.app
    if settings.deploy_window and not settings.outside_window and not inside(settings.deploy_window):
        now = f"{datetime.now(UTC):%a %H:%M} UTC"
        begins = f"{following(settings.deploy_window):%a %d %b %H:%M} UTC"
        windows = ", ".join(settings.deploy_window)
        allowed = f"from {begins}, when the next window begins ({windows}, UTC); or --data outside_window=true"
        raise SettingsError([Problem("group_data/app.py", "deploy_window", f"now is {now}", allowed)])


def hosts(estate: Estate) -> tuple[Machine, ...]:
    """All hosts that run the application. Raises SettingsError when there are none."""
    found = tuple(one for one in estate.machines if {"app", "worker"} & set(one.groups))
    if not found:
        raise SettingsError([Problem(estate.inventory, "app", "no host", "a host that runs the application")])
    return found


def who() -> str:
    """The person at the controller."""
    return f"{getpass.getuser()}@{socket.gethostname()}"


def revision() -> str:
    """Of this project, as checked out; with a + when files differ from it."""
    words = ["git", "-C", str(PROJECT), "describe", "--always", "--dirty=+", "--abbrev=12"]
    done = subprocess.run(words, capture_output=True, text=True)
    return done.stdout.strip() or "unknown"


def _signed(entry: Entry) -> Entry:
    moment = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    return entry.model_copy(update={"at": moment, "by": who(), "revision": revision()})

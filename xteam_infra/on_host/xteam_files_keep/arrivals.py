"""Keeps the ledgers: notes what has arrived, and what must be looked at by a person before anything is removed."""

import json
import re
import time
from pathlib import Path
from typing import Any

from xteam_files_keep import choose, places
from xteam_files_keep.choose import Arrival
from xteam_files_keep.ledger import Ledger, read
from xteam_restic.programs import BackupError
from xteam_restic.repository import Repository, taken

# How restic names the file of a snapshot.
SNAPSHOT = re.compile(r"[0-9a-f]{64}")


def record(host: str) -> dict[str, float]:
    """Note what a host has sent since; the figures."""
    ledger = look(host)
    ledger.save()
    counted = counting(ledger, host)
    found = {
        "snapshots": float(len(counted)),
        "refused": float(len(ledger.arrivals) - len(counted) + ledger.unreadable),
        "held": float(bool(ledger.held)),
        "stored_bytes": float(_stored(Path(places.local(host).url))),
        "room_bytes": places.ROOM_MB * 1024.0**2,
    }
    if counted:
        newest = counted[-1]
        found |= {
            "arrival_timestamp_seconds": newest.arrived,
            "files": float(newest.files),
            "bytes": float(newest.size),
        }
    places.arrived(host, found)
    if ledger.held:
        print(f"{host}: nothing is removed: {ledger.held}. docs/runbooks/files-shrunk.md", flush=True)
    return {}


def look(host: str) -> Ledger:
    """The host's ledger with what its repository holds now; not saved. Snapshots are opened when they are new."""
    repository, ledger = places.local(host), read(places.ledger(host))
    present = _present(Path(repository.url))
    if (lost := set(ledger.arrivals) - set(present)) and not ledger.held:
        ledger.held = f"{len(lost)} backups are gone that have not expired"
    ledger.arrivals = {name: one for name, one in ledger.arrivals.items() if name not in lost}
    if new := set(present) - set(ledger.arrivals):
        _identify(ledger, repository)
        records = {one["id"]: one for one in repository.snapshots()}
        for name in sorted(new):
            if one := _arrival(present[name], records.get(name), repository):
                ledger.arrivals[name] = one
            else:
                ledger.unreadable += 1
    if less := choose.shrunk(counting(ledger, host), ledger.accepted, places.SHRINK_PERCENT):
        ledger.held = ledger.held or less
    return ledger


def look_copy(host: str) -> Ledger:
    """The ledger of the host's copy in the bucket, which this host alone writes; not saved."""
    repository, ledger = places.copied(host), read(places.copy_ledger(host))
    sent = {(one.tree, one.taken): one for one in read(places.ledger(host)).ordered()}
    records = {one["id"]: one for one in repository.snapshots()}
    ledger.arrivals = {name: one for name, one in ledger.arrivals.items() if name in records}
    for name in set(records) - set(ledger.arrivals):
        one = records[name]
        # Known by its content; without a record of it, by what stands in it, which is in no case later than now.
        known = sent.get((one["tree"], taken(one)))
        moment = known.arrived if known else min(taken(one), time.time())
        counts = (known.files, known.size) if known else (0, 0)
        ledger.arrivals[name] = _entry(one, moment, counts)
    return ledger


def counting(ledger: Ledger, host: str) -> list[Arrival]:
    """What counts as a backup of the host, in order of arrival."""
    return choose.counted(ledger.ordered(), host, places.DIRECTORIES)


def accept(host: str) -> dict[str, float]:
    """A person says that the host's files are what they should be: from now on things expire again."""
    ledger = look(host)
    counted = counting(ledger, host)
    ledger.accepted = counted[-1].arrived if counted else time.time()
    ledger.repository, ledger.held = _id(places.local(host)), ""
    ledger.save()
    print(f"{host}: accepted as it is; what expired is removed again", flush=True)
    return record(host)


def _present(path: Path) -> dict[str, float]:
    """When each snapshot of a repository was written, by its id; none when the repository was not made."""
    try:
        files = [one for one in (path / "snapshots").iterdir() if SNAPSHOT.fullmatch(one.name)]
        return {one.name: min(one.stat().st_mtime, time.time()) for one in files}
    except FileNotFoundError:
        return {}


def _stored(path: Path) -> int:
    """Bytes of the disk, in whole blocks: small objects take more of it than their size."""
    return sum(one.lstat().st_blocks * 512 for one in path.rglob("*"))


def _identify(ledger: Ledger, repository: Repository) -> None:
    found = _id(repository)
    if ledger.repository and ledger.repository != found:
        ledger.held = ledger.held or f"the repository is another one, {found[:8]}, than {ledger.repository[:8]} before"
    else:
        ledger.repository = found


def _id(repository: Repository) -> str:
    return str(json.loads(repository.restic("cat", "config", "--no-lock"))["id"])


def _arrival(moment: float, one: dict[str, Any] | None, repository: Repository) -> Arrival | None:
    """None when it can't be opened now; it is tried again. Size is counted in the repository, not read in the tree."""
    if one is None:
        return None
    try:
        said = json.loads(repository.restic("stats", "--no-lock", "--mode", "blobs-per-file", "--json", one["id"]))
    except BackupError:
        return None
    return _entry(one, moment, (said.get("total_file_count", 0), said.get("total_size", 0)))


def _entry(one: dict[str, Any], moment: float, counts: tuple[int, int]) -> Arrival:
    return Arrival(
        id=one["id"],
        arrived=moment,
        taken=taken(one),
        host=one["hostname"],
        paths=tuple(one["paths"]),
        tree=one["tree"],
        files=counts[0],
        size=counts[1],
    )

"""What is done with one host's backups. Each returns figures, and raises BackupError when it fails."""

import json
import shutil
import time
from dataclasses import replace as changed
from pathlib import Path

from xteam_files_keep import arrivals, choose
from xteam_files_keep.choose import Arrival
from xteam_files_keep.ledger import Ledger
from xteam_files_keep.places import BUCKET, DIRECTORIES, DISTINCT, KEPT, OWNER, SETTINGS, STATE, copied, ledger, local
from xteam_restic.programs import BackupError, replace
from xteam_restic.repository import Repository, taken

# Of what is kept, read and checked on each day.
SUBSET = "5%"


def expire(host: str) -> dict[str, float]:
    """Remove what expired, by its time of arrival, and read a part of what is kept."""
    repository = local(host)
    if not repository.exists():
        print(f"{host} has sent nothing yet", flush=True)
        return {}
    arrivals.record(host)
    known = arrivals.look(host)
    counting = arrivals.counting(known, host)
    # What does not count takes no place of what does.
    others = [one for one in known.ordered() if one not in counting]
    for some, distinct in ((counting, DISTINCT), (others, 0)):
        _remove(repository, known, choose.expired(some, SETTINGS["keep"], distinct))
    arrivals.record(host)
    repository.restic("check", f"--read-data-subset={SUBSET}")
    return {}


def drop(host: str, names: list[str]) -> None:
    """Remove what a person has named, what a host should not have sent; without names, what belongs to no backup."""
    if not names:
        local(host).prune()
        arrivals.record(host)
        return
    known = arrivals.look(host)
    found = [one for one in known.ordered() if any(len(name) >= 8 and one.id.startswith(name) for name in names)]
    if len(found) != len(names):
        raise BackupError(f"{len(found)} backups of {host} have such an id, of {len(names)} named: nothing is removed")
    _remove(local(host), known, found, held=False)
    arrivals.record(host)


def _remove(repository: Repository, known: Ledger, these: list[Arrival], held: bool = True) -> None:
    """Remove them there and from the ledger, unless nothing may be removed."""
    if not these or (known.held and held):
        return
    repository.remove(*(one.id for one in these))
    known.arrivals = {name: one for name, one in known.arrivals.items() if one not in these}
    known.save()
    print(f"{repository.name}: {len(these)} removed", flush=True)


def copy(host: str) -> dict[str, float]:
    """The newest backup that counts into the bucket, and what expired there out of it."""
    source, target = local(host), copied(host)
    if not source.exists():
        print(f"{host} has sent nothing yet", flush=True)
        return {}
    arrivals.record(host)
    known = arrivals.look(host)
    if not (kept := arrivals.counting(known, host)):
        if known.arrivals:
            raise BackupError(f"none of {len(known.arrivals)} backups counts: xteam-files-keep list says why")
        print(f"{host} has sent nothing yet", flush=True)
        return {}
    if not target.exists():
        target.make(like=source)
    newest = kept[-1]
    target.take_over(source, newest.id)
    there = arrivals.look_copy(host)
    there.save()
    if not any(one.tree == newest.tree and one.taken == newest.taken for one in there.ordered()):
        raise BackupError(f"the backup {newest.id[:8]} did not arrive in {target.url}")
    assert BUCKET
    there.held = known.held
    _remove(target, there, choose.expired(there.ordered(), BUCKET["keep"], DISTINCT))
    print(f"{host}: the backup {newest.id[:8]} is in the bucket", flush=True)
    return {"copy_snapshot_timestamp_seconds": newest.arrived, "copy_success_timestamp_seconds": time.time()}


def prove(host: str) -> dict[str, float]:
    """Restore the newest copy beside, and compare each byte with what is written down in it."""
    repository, place = copied(host), STATE / f"proof-{host}"
    if not repository.exists():
        print(f"{host} has no copy yet", flush=True)
        return {}
    shutil.rmtree(place, ignore_errors=True)
    try:
        *_, newest = arrivals.look_copy(host).ordered()
        repository.restic("restore", newest.id, "--target", str(place), "--verify")
        listed = map(json.loads, repository.restic("ls", newest.id, "--json").splitlines())
        kept = sum(one.get("type") == "file" for one in listed)
        found = sum(path.is_file() and not path.is_symlink() for path in place.rglob("*"))
    finally:
        shutil.rmtree(place, ignore_errors=True)
    if kept != found:
        raise BackupError(f"of {kept} files {found} came back from {repository.url}")
    facts = {"host": host, "snapshot": newest.id, "files": found, "completed": round(time.time())}
    replace(proof(host), json.dumps(facts) + "\n", 0o644)
    print(f"{host}: {found} files came back from the bucket, each byte as it was", flush=True)
    return {"prove_success_timestamp_seconds": time.time()}


def proof(host: str) -> Path:
    """Where it is written down what the last proof found."""
    return STATE / f"{host}.copy-proof.json"


def fetch(host: str) -> dict[str, float]:
    """Make the host's repository anew from the bucket. What is there already is left alone."""
    target, source = local(host), copied(host)
    if target.exists():
        raise BackupError(f"{target.url} is there: move it away first")
    new = KEPT / f".{host}.fetched"
    shutil.rmtree(new, ignore_errors=True)
    made = changed(target, url=str(new), owner="")
    made.make(like=source)
    made.take_over(source)
    _take_times(host, made)
    for path in [new, *new.rglob("*")]:
        shutil.chown(path, OWNER, OWNER)
    new.rename(KEPT / host)
    print(f"{host}: {len(local(host).snapshots())} backups are back from the bucket", flush=True)
    return {}


def _take_times(host: str, made: Repository) -> None:
    """The ledger of a repository made anew from the copy: everything arrived when it had arrived before."""
    before = {(one.tree, one.taken): one for one in arrivals.look_copy(host).ordered()}
    known = Ledger(path=ledger(host), repository=json.loads(made.restic("cat", "config", "--no-lock"))["id"])
    for one in made.snapshots():
        if found := before.get((one["tree"], taken(one))):
            known.arrivals[one["id"]] = changed(found, id=one["id"])
    known.save()


def listed(host: str) -> list[str]:
    """Lines about what is kept of a host: where, id, when it arrived (UTC), files, bytes, and why it does not count."""
    lines = []
    for where, known in (("here", arrivals.look(host)), *((("bucket", arrivals.look_copy(host)),) if BUCKET else ())):
        for one in known.ordered():
            moment = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(one.arrived))
            why = choose.refused(one, host, DIRECTORIES)
            lines.append(f"{host}  {where:6}  {one.id[:8]}  {moment}  {one.files}  {one.size}  {why}".rstrip())
    return lines

"""What is done with one host's backups. Each returns figures, and raises BackupError when it fails."""

import json
import shutil
import time
from dataclasses import replace as changed
from pathlib import Path

from xteam_files_keep.places import KEPT, OWNER, STATE, copied, local
from xteam_restic.programs import BackupError, replace
from xteam_restic.repository import taken

# Of what is kept, read and checked on each day.
SUBSET = "5%"


def expire(host: str) -> dict[str, float]:
    """Remove what expired, and read a part of what is kept."""
    repository = local(host)
    if not repository.exists():
        print(f"{host} has sent nothing yet", flush=True)
        return {}
    repository.forget("host")
    repository.restic("check", f"--read-data-subset={SUBSET}")
    return {}


def copy(host: str) -> dict[str, float]:
    """The newest backup into the bucket, and what expired there out of it."""
    source, target = local(host), copied(host)
    if not source.exists() or not (kept := source.snapshots()):
        print(f"{host} has sent nothing yet", flush=True)
        return {}
    if not target.exists():
        target.make(like=source)
    newest = kept[-1]
    target.take_over(source, newest["id"])
    if not any(one["time"] == newest["time"] for one in target.snapshots()):
        raise BackupError(f"the backup of {newest['time'][:19]} did not arrive in {target.url}")
    target.forget("host")
    print(f"{host}: the backup of {newest['time'][:19]} is in the bucket", flush=True)
    return {"copy_snapshot_timestamp_seconds": taken(newest), "copy_success_timestamp_seconds": time.time()}


def prove(host: str) -> dict[str, float]:
    """Restore the newest copy beside, and compare each byte with what is written down in it."""
    repository, place = copied(host), STATE / f"proof-{host}"
    if not repository.exists():
        print(f"{host} has no copy yet", flush=True)
        return {}
    shutil.rmtree(place, ignore_errors=True)
    try:
        newest = repository.snapshots()[-1]
        repository.restic("restore", newest["id"], "--target", str(place), "--verify")
        listed = map(json.loads, repository.restic("ls", newest["id"], "--json").splitlines())
        kept = sum(one.get("type") == "file" for one in listed)
        found = sum(path.is_file() and not path.is_symlink() for path in place.rglob("*"))
    finally:
        shutil.rmtree(place, ignore_errors=True)
    if kept != found:
        raise BackupError(f"of {kept} files {found} came back from {repository.url}")
    facts = {"host": host, "snapshot": newest["time"], "files": found, "completed": round(time.time())}
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
    made = changed(target, url=str(new))
    made.make(like=source)
    made.take_over(source)
    for path in [new, *new.rglob("*")]:
        shutil.chown(path, OWNER, OWNER)
    new.rename(KEPT / host)
    print(f"{host}: {len(local(host).snapshots())} backups are back from the bucket", flush=True)
    return {}

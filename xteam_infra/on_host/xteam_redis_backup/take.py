"""A role's snapshot: copied from a replica, checked, kept; then copied into the bucket."""

import json
import re
from datetime import UTC, datetime
from pathlib import Path

from xteam_redis_backup.common import CA, HOME, ROLES, SECONDS, SETTINGS, BackupError, check, digest, run, scratch
from xteam_redis_backup.repository import FIRST, HOST, Repository
from xteam_restic.repository import taken

ASK_SECONDS = 10


def take(role: str, repository: Repository) -> dict[str, float]:
    """Copy the role from a replica, check it, and keep it. The figures."""
    with scratch() as directory:
        home = directory / role
        home.mkdir()
        snapshot = home / "dump.rdb"
        source = _receive(role, snapshot)
        keys = _keys(check(snapshot))
        size = snapshot.stat().st_size
        facts = {
            "role": role,
            "source": source,
            "keys": keys,
            "bytes": size,
            "sha256": digest(snapshot),
            "taken": datetime.now(UTC).isoformat(timespec="seconds"),
        }
        (home / "facts.json").write_text(json.dumps(facts))
        repository.add(role, directory)
    print(f"{role}: {keys} keys, {size} bytes from {source}", flush=True)
    return {"keys": keys, "size_bytes": size, **age(repository, role)}


def copy(role: str, repository: Repository) -> dict[str, float]:
    """Copy the role's newest snapshot out of the first repository. The figures."""
    repository.take_over(FIRST, "--host", HOST, "--tag", role, "latest")
    kept = repository.newest(role)
    if kept["time"] != FIRST.newest(role)["time"]:
        raise BackupError(f"the newest snapshot did not arrive in repository {repository.number}")
    print(f"{role}: the snapshot of {kept['time'][:19]} is in repository {repository.number}", flush=True)
    return age(repository, role)


def age(repository: Repository, role: str) -> dict[str, float]:
    """The figure that tells how old the newest snapshot is."""
    return {"snapshot_timestamp_seconds": taken(repository.newest(role))}


def _keys(said: str) -> int:
    """The number that redis-check-rdb names."""
    found = re.search(r"(\d+) keys read", said)
    if not found:
        raise BackupError(f"redis-check-rdb does not say how many keys it read: {said[-500:]}")
    return int(found.group(1))


def _receive(role: str, snapshot: Path) -> str:
    """Write a consistent snapshot: an instance sends it as to a new replica. The address it came from."""
    problems = []
    for address in _sources(role):
        try:
            run(*_cli(address, ROLES[role]), "--rdb", str(snapshot), env=_password(role), seconds=SECONDS)
            return address
        except BackupError as error:
            problems.append(f"{address}: {error}")
    raise BackupError(f"no instance gives a snapshot: {'; '.join(problems)}")


def _sources(role: str) -> list[str]:
    """Replicas in touch with the master first, so that the master need not fork; then the master."""
    for sentinel in SETTINGS["sentinels"]:
        ask = [*_cli(sentinel, SETTINGS["sentinel_port"]), "--json", "SENTINEL"]
        try:
            replicas = json.loads(run(*ask, "REPLICAS", role, env=_password("sentinel"), seconds=ASK_SECONDS))
            master = json.loads(
                run(*ask, "GET-MASTER-ADDR-BY-NAME", role, env=_password("sentinel"), seconds=ASK_SECONDS)
            )[0]
        except (BackupError, TypeError):
            continue
        return [*(one["ip"] for one in replicas if _in_touch(one["ip"], role)), master]
    raise BackupError("no Sentinel says who is master")


def _in_touch(address: str, role: str) -> bool:
    try:
        ask = [*_cli(address, ROLES[role]), "INFO", "replication"]
        return "master_link_status:up" in run(*ask, env=_password(role), seconds=ASK_SECONDS)
    except BackupError:
        return False


def _cli(address: str, port: int) -> list[str]:
    return [
        "redis-cli", "-h", address, "-p", str(port), "--tls", "--cacert", CA, "--user", "backup",
        "--no-auth-warning", "-e",
    ]  # fmt: skip


def _password(name: str) -> dict[str, str]:
    return {"REDISCLI_AUTH": (HOME / f"{name}.pass").read_text().strip()}

"""Proof that a role's newest snapshot can be restored: into a scratch instance without network, counted and read."""

import json
import re
import subprocess
import time
from datetime import UTC, datetime

from xteam_redis_backup.common import SECONDS, BackupError, replace, run, scratch
from xteam_redis_backup.repository import Repository, proof

SAMPLES = 100
# DUMP serialises the whole value, whatever its type. A key may expire between the two: then it is no longer there.
SAMPLE = """
local unreadable = 0
for i = 1, ARGV[1] do
  local key = redis.call('RANDOMKEY')
  if key and not redis.call('DUMP', key) and redis.call('EXISTS', key) == 1 then unreadable = unreadable + 1 end
end
return {ARGV[1], unreadable}
"""


def prove(role: str, repository: Repository) -> dict[str, float]:
    """Restore the newest snapshot into a scratch instance, count its keys, read some, and write down what was found."""
    with scratch() as directory:
        facts = repository.fetch(role, "latest", directory)
        home, socket = directory / role, directory / "redis.sock"
        options = ["--port", "0", "--unixsocket", str(socket), "--dir", str(home), "--save", "", "--appendonly", "no"]
        with subprocess.Popen(["redis-server", *options], stdout=subprocess.DEVNULL) as server:
            try:
                found = _look(str(socket))
            finally:
                server.terminate()
    if found["loaded"] + found["expired"] != facts["keys"]:
        back = f"{found['loaded']} and {found['expired']} expired"
        raise BackupError(f"{role}: {facts['keys']} keys were stored, {back} are back")
    if found["unreadable"]:
        raise BackupError(f"{role}: of {found['sampled']} sampled keys {found['unreadable']} have no value")
    evidence = {**facts, **found, "proved": datetime.now(UTC).isoformat(timespec="seconds")}
    path = proof(role, repository)
    path.parent.mkdir(exist_ok=True)
    replace(path, json.dumps(evidence, indent=1) + "\n", 0o600)
    what = f"{found['loaded']} keys of {facts['taken']} are back from repository {repository.number}"
    print(f"{role}: {what}, {found['sampled']} of them read", flush=True)
    return {"restore_test_keys": found["loaded"]}


def _look(socket: str) -> dict[str, int]:
    """What the scratch instance holds once it has loaded."""
    ask = ["redis-cli", "-s", socket, "-e"]
    info = _loaded(ask)
    bases = [name.removeprefix("db") for name in info if re.fullmatch(r"db\d+", name)]
    values = [run(*ask, "-n", base, "EVAL", SAMPLE, "0", str(SAMPLES)).split() for base in bases]
    return {
        "loaded": int(info["rdb_last_load_keys_loaded"]),
        "expired": int(info["rdb_last_load_keys_expired"]),
        "sampled": sum(int(sampled) for sampled, _ in values),
        "unreadable": sum(int(unreadable) for _, unreadable in values),
    }


def _loaded(ask: list[str]) -> dict[str, str]:
    """INFO of the instance, once it has read its snapshot."""
    deadline = time.monotonic() + SECONDS
    while time.monotonic() < deadline:
        try:
            info = dict(line.split(":", 1) for line in run(*ask, "INFO").split() if ":" in line)
            if info["loading"] == "0":
                return info
        except BackupError:
            pass
        time.sleep(0.2)
    raise BackupError("the scratch instance has not loaded in time")

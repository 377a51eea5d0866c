"""The encrypted directory in which this host's database lies. Managed by xteam-infra.

  xteam-storage status     what is there, as JSON
  xteam-storage unlock     open it with the Tang servers' help; xteam-storage.service does that at boot
  xteam-storage recover    open it with the recovery key, read from standard input
  xteam-storage lock       close it; refused while something uses it
  xteam-storage setup      make it (recovery key on standard input)
  xteam-storage bind JSON  make a new key and bind it to Tang servers (recovery key on standard input)

The key itself is never in a file: it is made, bound and used in memory. Run as root.
"""

import getpass
import json
import sys

from xteam_storage.binding import bind, open_bound
from xteam_storage.common import StorageError, Unusable, Volume, read_binding, volume
from xteam_storage.fscrypt import RECOVERY, fscrypt, is_open, open_with, policy, protectors
from xteam_storage.setup import set_up

VERBS = ("status", "unlock", "recover", "lock", "setup", "bind")


def main() -> int:
    words = sys.argv[1:]
    if words in (["--help"], ["-h"]):
        print(__doc__)
        return 0
    if not words or words[0] not in VERBS or len(words) != (2 if words[0] == "bind" else 1):
        print(__doc__, file=sys.stderr)
        return 2
    try:
        _run(words[0], volume(), *words[1:])
    except StorageError as error:
        print(f"xteam-storage: {error}", file=sys.stderr)
        return error.status
    return 0


def _run(verb: str, here: Volume, config: str = "") -> None:
    if verb == "status":
        print(json.dumps(status(here)))
    elif verb == "setup":
        set_up(here, read_recovery())
    elif verb == "bind":
        bind(here, config, read_recovery())
    elif verb == "lock":
        lock(here)
    elif is_open(here):
        print("the encrypted directory is unlocked")
    elif verb == "unlock":
        unlock(here)
    else:
        recover(here)


def status(here: Volume) -> dict[str, object]:
    """Whether it is there, open, how it is encrypted, and which Tang servers can open it (None: none)."""
    found, binding, opened = policy(here), read_binding(), is_open(here)
    known = binding is not None and binding.protector in protectors(here).values()
    exists = bool(found) and all((here.tree / one.name).is_dir() for one in here.branches if opened)
    bound = binding.config if binding and known else None
    return {"exists": exists, "unlocked": opened, "options": found.get("Options"), "binding": bound}


def unlock(here: Volume) -> None:
    """Open it with the Tang servers' help."""
    if not policy(here):
        raise Unusable(f"there is no encrypted directory in {here.tree}: is the data volume mounted?")
    open_bound(here)
    print("the Tang servers have unlocked the encrypted directory")


def recover(here: Volume) -> None:
    """Open it with the recovery key."""
    recovery = getpass.getpass("recovery key: ") if sys.stdin.isatty() else read_recovery()
    open_with(here, protectors(here)[RECOVERY], stdin=recovery)
    print("the recovery key has unlocked the encrypted directory")


def lock(here: Volume) -> None:
    """Close it, unless it is in use."""
    used = [str(one.where) for one in here.branches if one.where.is_mount()]
    if used:
        raise StorageError(f"in use: {', '.join(used)}; stop what uses them, then the mount units")
    fscrypt("lock", here.tree, "--quiet")


def read_recovery() -> str:
    """The key from standard input. Raises StorageError when there is none."""
    recovery = sys.stdin.readline().strip()
    if not recovery:
        raise StorageError("no recovery key on standard input")
    return recovery


if __name__ == "__main__":
    sys.exit(main())

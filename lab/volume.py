"""A host's data volume: what a cloud gives as a second disk, here a sparse file with ext4 in it.

It is ext4 that can be encrypted, which the hosts' overlay can't be. The file is the raw disk: what stands on it can be
looked for from outside.
"""

from __future__ import annotations

import time
from contextlib import suppress
from pathlib import Path

from lab.errors import LabError
from lab.shell import run

# Where a host finds it mounted, as a server does that has it in its fstab.
MOUNT_POINT = "/srv/data"

_SIZE = 8 * 2**30


def make(image: Path) -> None:
    """Make an empty volume unless there is one."""
    if image.exists():
        return
    new = image.with_suffix(".new")
    new.unlink(missing_ok=True)
    with new.open("wb") as file:
        file.truncate(_SIZE)
    run(["mkfs.ext4", "-q", "-F", "-O", "encrypt", "-m", "0", "-E", "lazy_journal_init=1", new])
    new.rename(image)


def mounted(image: Path, where: Path) -> list[str | Path]:
    """Words to put before a command so that it sees the volume mounted at `where`, it and its children alone.

    Mounted where other hosts saw it, it would live on in their mount namespaces, with its keys. So it ends with the
    command, and its loop device with it: nothing to remember, nothing to clean up after a crash.
    """
    where.mkdir(exist_ok=True)
    # barrier=0: fsync does not wait for this machine's disk, as on the hosts' overlay (see host.mount).
    options = "loop,barrier=0,nodev,nosuid"
    script = f'mount -t ext4 -o {options} "$1" "$2" && shift 2 && exec "$@"'
    return ["unshare", "--mount", "sh", "-c", script, "sh", image, where]


def wait_until_free(image: Path) -> None:
    """Wait until the kernel has let go of the volume. Raises LabError when something still uses it."""
    deadline = time.monotonic() + 30
    while str(image) in _in_use():
        if time.monotonic() > deadline:
            raise LabError(f"{image} is still in use: `losetup --associated {image}`")
        time.sleep(0.05)


def _in_use() -> set[str]:
    """The files behind this machine's loop devices."""
    found = set()
    for path in Path("/sys/block").glob("loop*/loop/backing_file"):
        with suppress(OSError):  # let go of meanwhile
            found.add(path.read_text().strip())
    return found

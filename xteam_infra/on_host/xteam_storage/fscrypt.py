"""fscrypt on this host's volume. Keys are handed over in memory, never in a file or on a command line."""

import os
import subprocess

from xteam_storage.common import StorageError, Volume

RECOVERY, BOUND = "xteam-recovery", "xteam-tang-"


def fscrypt(*words: object, stdin: str = "", key: bytes = b"") -> str:
    """What fscrypt prints. Raises StorageError when it fails.

    key: handed over as a file in memory; `KEY` in words stands for its path.
    """
    memory = os.memfd_create("key", os.MFD_CLOEXEC)
    try:
        os.write(memory, key)
        command = ["fscrypt", *(str(word).replace("KEY", f"/proc/self/fd/{memory}") for word in words)]
        done = subprocess.run(command, input=stdin, capture_output=True, text=True, pass_fds=[memory], check=False)
    finally:
        os.close(memory)
    if done.returncode:
        raise StorageError(f"fscrypt {words[0]}: {' '.join(done.stderr.split()) or done.stdout.strip()}")
    return done.stdout


def protectors(volume: Volume) -> dict[str, str]:
    """Identifier of each protector of the volume that is ours, by its name."""
    found = {}
    for line in fscrypt("status", volume.path).splitlines():
        if "protector" in line and '"xteam-' in line:
            found[line.split('"')[1]] = line.split()[0]
    return found


def policy(volume: Volume) -> dict[str, str]:
    """What fscrypt says of the directory: `Policy`, `Options`, `Unlocked`. Empty when it is not encrypted."""
    if not volume.tree.is_dir() or not (volume.path / ".fscrypt").is_dir():
        return {}
    try:
        lines = fscrypt("status", volume.tree).splitlines()
    except StorageError:
        return {}
    pairs = (line.split(":", 1) for line in lines if line.startswith(("Policy", "Options", "Unl")))
    return {name.strip(): value.strip() for name, value in pairs}


def is_open(volume: Volume) -> bool:
    """Whether its files can be read."""
    return policy(volume).get("Unlocked") == "Yes"


def open_with(volume: Volume, protector: str, stdin: str = "", key: bytes = b"") -> None:
    """Open the directory with a passphrase on stdin, or with a key. Raises StorageError."""
    words = ["unlock", volume.tree, f"--unlock-with={volume.path}:{protector}", *(["--key=KEY"] if key else [])]
    fscrypt(*words, "--quiet", stdin=stdin, key=key)


def destroy(volume: Volume, protector: str) -> None:
    """Remove a protector from the volume."""
    fscrypt("metadata", "destroy", f"--protector={volume.path}:{protector}", "--quiet", "--force")

"""Making the encrypted directory, with the recovery key."""

import shutil

from xteam_storage.common import Unusable, Volume
from xteam_storage.fscrypt import RECOVERY, destroy, fscrypt, is_open, open_with, policy, protectors


def set_up(volume: Volume, recovery: str) -> None:
    """Encrypt the directory unless it is, open it, and make what it is to hold. Raises StorageError."""
    if not (volume.path / ".fscrypt").is_dir():
        volume.path.mkdir(exist_ok=True)
        fscrypt("setup", volume.path, "--quiet")
    if not policy(volume):
        _encrypt(volume, recovery)
    if not is_open(volume):
        open_with(volume, protectors(volume)[RECOVERY], stdin=recovery)
    _make_branches(volume)


def _encrypt(volume: Volume, recovery: str) -> None:
    if volume.tree.exists() and any(volume.tree.iterdir()):
        raise Unusable(f"{volume.tree} holds files that are not encrypted: move them away")
    # Of a run that ended half-way.
    for identifier in protectors(volume).values():
        destroy(volume, identifier)
    volume.tree.mkdir(mode=0o700, exist_ok=True)
    fscrypt("encrypt", volume.tree, "--source=custom_passphrase", f"--name={RECOVERY}", "--quiet", stdin=recovery)


def _make_branches(volume: Volume) -> None:
    for one in volume.branches:
        branch = volume.tree / one.name
        branch.mkdir(mode=0o750, exist_ok=True)
        shutil.chown(branch, one.owner, one.owner)
        # What is under the mount belongs to root: without the directory nothing can be written there by mistake.
        if not one.where.is_mount():
            one.where.mkdir(parents=True, exist_ok=True)
            shutil.chown(one.where, "root", "root")
            one.where.chmod(0o700)

"""Binding the encrypted directory to Tang servers, and opening it with their help."""

import json
import secrets
import subprocess
import sys

from xteam_storage.common import BINDING, Binding, StorageError, Unusable, Volume, read_binding, write_binding
from xteam_storage.fscrypt import BOUND, RECOVERY, destroy, fscrypt, open_with, policy, protectors

KEY_BYTES = 32
# Of two Tang servers, one may be behind a network that swallows everything.
ANSWER_SECONDS = 30


def bind(volume: Volume, config: str, recovery: str) -> None:
    """Make a new key, bind it to the servers of `config`, and forget earlier ones. Raises StorageError."""
    key = secrets.token_bytes(KEY_BYTES)
    done = clevis(["encrypt", "sss", config], key)
    if done.returncode or clevis(["decrypt"], done.stdout).stdout != key:
        raise StorageError(f"the Tang servers don't bind a key: {words_of(done)}")
    name = BOUND + secrets.token_hex(4)
    create = ("metadata", "create", "protector", volume.path, "--source=raw_key", f"--name={name}", "--key=KEY")
    fscrypt(*create, "--quiet", key=key)
    known = protectors(volume)
    _add(volume, known[name], known[RECOVERY], key, recovery)
    write_binding(Binding(json.loads(config), known[name], done.stdout.decode()))
    for old, identifier in known.items():
        if old.startswith(BOUND) and old != name:
            _forget(volume, identifier)


def _add(volume: Volume, protector: str, recovery_protector: str, key: bytes, recovery: str) -> None:
    """Let a new key open the directory; it goes when the recovery key is the wrong one."""
    words = ("metadata", "add-protector-to-policy", f"--protector={volume.path}:{protector}", _policy(volume))
    with_recovery = f"--unlock-with={volume.path}:{recovery_protector}"
    try:
        fscrypt(*words, with_recovery, "--key=KEY", "--quiet", key=key, stdin=recovery)
    except StorageError as error:
        destroy(volume, protector)
        raise Unusable(
            f"{error}. Is storage/recovery in the secrets store the key of this encrypted directory?"
        ) from None


def _forget(volume: Volume, protector: str) -> None:
    """Take an old key from the directory."""
    words = ("remove-protector-from-policy", f"--protector={volume.path}:{protector}", _policy(volume))
    try:
        fscrypt("metadata", *words, "--quiet", "--force")
    except StorageError as error:
        print(f"xteam-storage: {error}", file=sys.stderr)
    destroy(volume, protector)


def _policy(volume: Volume) -> str:
    return f"--policy={volume.path}:{policy(volume)['Policy']}"


def open_bound(volume: Volume) -> None:
    """Have the Tang servers open the directory. Raises StorageError when too few answer, else Unusable."""
    binding = read_binding()
    if binding is None:
        raise Unusable(f"{BINDING} is gone: run deploys/storage.py, or `xteam-storage recover`")
    done = clevis(["decrypt"], binding.jwe.encode())
    if done.returncode or len(done.stdout) != KEY_BYTES:
        raise StorageError(
            f"the encrypted directory stays locked and PostgreSQL down: {_wanted(binding)} must open the key. "
            f"{words_of(done)} "
            "Trying again; see docs/runbooks/unlock.md"
        )
    try:
        open_with(volume, binding.protector, key=done.stdout)
    except StorageError as error:
        raise Unusable(f"the key of {BINDING} does not unlock the encrypted directory: {error}") from None


def _wanted(binding: Binding) -> str:
    """How many of which servers."""
    pins = binding.config["pins"]
    assert isinstance(pins, dict)
    return f"{binding.config['t']} of {', '.join(one['url'] for one in pins['tang'])}"


def clevis(words: list[str], stdin: bytes) -> subprocess.CompletedProcess[bytes]:
    """Run clevis, for ANSWER_SECONDS at most."""
    command = ["timeout", "-k", "2", str(ANSWER_SECONDS), "clevis", *words]
    return subprocess.run(command, input=stdin, capture_output=True, check=False)


def words_of(done: subprocess.CompletedProcess[bytes]) -> str:
    """What clevis said, on one line."""
    return " ".join(done.stderr.decode(errors="replace").split()) or "They don't answer."

"""An application's wheel from a package index."""

import re
import subprocess
import sys
from pathlib import Path

from xteam_infra.release.errors import ReleaseError

# Exactly one file of one version: NAME==VERSION, and the SHA-256 its wheel must have, if it is given.
_EXACT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*==[A-Za-z0-9.!+]+(?: --hash=sha256:[0-9a-f]{64})?")
FORM = "NAME==VERSION of a package index (with --hash=sha256:... behind it, if you know the wheel's)"


def is_requirement(source: str) -> bool:
    """Whether this names a version in a package index."""
    return _EXACT.fullmatch(source) is not None


def version_of(source: str, version: str) -> str:
    """The same package in another version."""
    return f"{source.partition('==')[0]}=={version}"


def download(requirement: str, python_version: str, directory: Path) -> Path:
    """The wheel, from the index that pip is set up for on this machine (pip.conf, PIP_INDEX_URL).

    Raises ReleaseError when the index has no such version, none as a wheel, or one with another hash.
    """
    directory.mkdir(parents=True)
    wanted = directory / "wanted.txt"
    wanted.write_text(f"{requirement}\n")
    words = ["pip", "--disable-pip-version-check", "--no-input", "download", "--quiet", "--no-deps"]
    target = ["--only-binary", ":all:", "--python-version", python_version, "--dest", str(directory)]
    done = subprocess.run([sys.executable, "-m", *words, *target, "-r", str(wanted)], capture_output=True, text=True)
    wheels = list(directory.glob("*.whl"))
    if done.returncode or len(wheels) != 1:
        raise ReleaseError(f"can't have {requirement} from the package index:\n{_reason(done.stderr)}")
    return wheels[0]


def _reason(said: str) -> str:
    """Without pip's warnings about retries, and without credentials in addresses."""
    lines = [line for line in said.splitlines() if line.strip() and not line.startswith("WARNING")]
    return re.sub(r"(?<=://)[^/@\s]+@", "", "\n".join(lines[-8:])) or "no reason given"

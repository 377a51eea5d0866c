"""build(): source in, archive out."""

import hashlib
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from gevent.lock import RLock

from xteam_infra.release.errors import ReleaseError
from xteam_infra.release.source import PYTHON_VERSION, Parts, public, resolve, run_uv
from xteam_infra.release.tree import make_portable, write_archive
from xteam_infra.release.wheel import contents, missing_dependencies

PLATFORM = "x86_64-manylinux_2_28"  # the oldest glibc that most projects still build for; Debian 13 has 2.41
OUT = Path("build/releases")
ID_LENGTH = 12  # hexadecimal digits: 48 bits, far more than anybody has releases
_FORMAT = b"1"  # goes into the id; raise it when the archive's layout changes
_fetching = RLock()


@dataclass(frozen=True)
class Release:
    """A built release. `id` says what is in it, `sha256` (hexadecimal) that the archive is whole."""

    id: str
    archive: Path
    sha256: str
    source: str = ""

    @classmethod
    def known(cls, release_id: str, sha256: str, source: str, out: Path = OUT) -> "Release":
        """One that was built before. Its archive may be gone by now: see fetched()."""
        return cls(release_id, out / f"{release_id}.tar.gz", sha256, source)

    def fetched(self) -> "Release":
        """With its archive: the one kept, or one built again. Raises ReleaseError when it is not what it was."""
        with _fetching:  # hosts are planned in parallel
            found = self if self.archive.is_file() else build(self.source, out=self.archive.parent)
            if found.id != self.id:
                raise ReleaseError(
                    f"release {self.id} can't be built again: {public(self.source)} has changed and gives {found.id} "
                    "now. Release that: tasks/release.py"
                )
            actual = _sha256(found.archive)
            if self.sha256 and actual != self.sha256:
                raise ReleaseError(
                    f"{found.archive} is not what was released: its SHA-256 is {actual}, recorded is {self.sha256}. "
                    "Remove it; it will be built again"
                )
            return Release(self.id, found.archive, actual, self.source)


def build(
    source: str | Path,
    python_version: str = PYTHON_VERSION,
    platform: str = PLATFORM,
    out: Path = OUT,
) -> Release:
    """Build the release of an application, or find it if it was built before.

    `source`: a directory with pyproject.toml and requirements.lock, a wheel with requirements.lock beside it or in its
    package, NAME==VERSION of a package index, or a git address with a ref (ADDRESS@REF, with #subdirectory=PATH if
    needed). `platform` is uv's --python-platform.
    The archive is OUT/<id>.tar.gz and unpacks to `site-packages/`.

    Raises ReleaseError naming what is missing: the lock, the ref, a dependency that exists as source only, a hash.
    """
    with tempfile.TemporaryDirectory(prefix="release-") as directory:
        work = Path(directory)
        _say(f"building the wheel of {public(str(source))}")
        parts = resolve(source, work, python_version)
        release_id = identify(parts, python_version, platform)
        archive = out / f"{release_id}.tar.gz"
        if archive.is_file():
            _say(f"{release_id} is built already")
        else:
            out.mkdir(parents=True, exist_ok=True)
            started = time.monotonic()
            _say(f"installing the locked dependencies of {release_id} for Python {python_version}, {platform}")
            site_packages = work / "site-packages"
            _install(parts, site_packages, python_version, platform)
            make_portable(site_packages)
            write_archive(site_packages, archive)
            _say(f"{archive}: {archive.stat().st_size / 1e6:.1f} MB, {time.monotonic() - started:.1f} s")
    return Release(release_id, archive, _sha256(archive), str(source))


def identify(parts: Parts, python_version: str, platform: str) -> str:
    """The id of the release made of these parts. Goes by the wheel's contents: the times in its zip do not count."""
    digest = hashlib.sha256()
    target = [("python", python_version.encode()), ("platform", platform.encode()), ("format", _FORMAT)]
    for name, content in [*contents(parts.wheel), ("lock", parts.lock.read_bytes()), *target]:
        digest.update(hashlib.sha256(name.encode()).digest() + hashlib.sha256(content).digest())
    return digest.hexdigest()[:ID_LENGTH]


def _install(parts: Parts, target: Path, python_version: str, platform: str) -> None:
    common = [
        *("pip", "install", "--target", str(target), "--python", sys.executable),
        *("--python-version", python_version, "--python-platform", platform, "--only-binary", ":all:"),
        *("--no-progress", "--link-mode", "copy"),
    ]
    lock = str(parts.lock)
    # Nothing is resolved here: the lock names every dependency.
    run_uv(f"{lock} can't be installed", *common, "--no-deps", "--require-hashes", "-r", lock)
    run_uv(f"{parts.wheel.name} can't be installed", *common, "--no-deps", str(parts.wheel))
    if missing := missing_dependencies(parts.wheel, target, python_version):
        raise ReleaseError(f"{lock} lacks what {parts.wheel.name} requires: {', '.join(missing)}. Compile it again")


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _say(message: str) -> None:
    print(message, file=sys.stderr, flush=True)

"""From what the user names as source to two files: the application's wheel and its lock."""

import re
import subprocess
import sys
import zipfile
from dataclasses import dataclass
from pathlib import Path

from uv import find_uv_bin

from xteam_infra.distribution import DISTRIBUTION
from xteam_infra.release import index
from xteam_infra.release.errors import ReleaseError

LOCK = "requirements.lock"
PYTHON_VERSION = DISTRIBUTION.python
_GIT = re.compile(r"^(?P<address>.+?)(?:@(?P<ref>[^@/#:][^@#:]*))?(?:#subdirectory=(?P<subdirectory>[^#]+))?$")
_CREDENTIALS = re.compile(r"(?<=://)[^/@\s]+@")


@dataclass(frozen=True)
class Parts:
    """What a release is made of."""

    wheel: Path
    lock: Path


def resolve(source: str | Path, work: Path, python_version: str = PYTHON_VERSION) -> Parts:
    """The wheel and the lock of `source`; what has to be made for that is made in `work`.

    Raises ReleaseError when the source isn't there, has no lock, or doesn't build."""
    named = str(source)
    path = Path(named).expanduser()
    if path.is_file() and path.suffix == ".whl":
        return Parts(path.resolve(), _lock_of(path.resolve(), work))
    if path.is_dir():
        return _from_directory(path.resolve(), work)
    if "://" in named or named.startswith("git@"):
        return _from_directory(_checked_out(named.removeprefix("git+"), work), work)
    if index.is_requirement(named):
        wheel = index.download(named, python_version, work / "index")
        return Parts(wheel, _lock_of(wheel, work))
    raise ReleaseError(
        f"no such source: {named}. Give a directory with pyproject.toml, a .whl file, {index.FORM}, "
        "or a git address with a ref, such as https://git.example.com/xteam.git@v1.2.3"
    )


def _lock_of(wheel: Path, work: Path) -> Path:
    """The lock beside a wheel, or else the one in its package."""
    if (wheel.parent / LOCK).is_file():
        return wheel.parent / LOCK
    with zipfile.ZipFile(wheel) as opened:
        inside = [name for name in opened.namelist() if re.fullmatch(rf"[^/]+/{re.escape(LOCK)}", name)]
        if len(inside) == 1:
            lock = work / LOCK
            lock.write_bytes(opened.read(inside[0]))
            return lock
    raise ReleaseError(
        f"no {LOCK} beside {wheel.name}, and {len(inside)} in its package: ship one as <package>/{LOCK} "
        "(docs/reference/app-contract.md)"
    )


def _lock_in(directory: Path) -> Path:
    lock = directory / LOCK
    if not lock.is_file():
        raise ReleaseError(
            f"no {LOCK} in {directory}. Make one where pyproject.toml is: "
            f"uv pip compile pyproject.toml --generate-hashes --python-version {PYTHON_VERSION}"
            f" --no-emit-index-url -o {LOCK}"
        )
    return lock


def _from_directory(directory: Path, work: Path) -> Parts:
    if not (directory / "pyproject.toml").is_file():
        raise ReleaseError(f"no pyproject.toml in {directory}: is it the application's directory?")
    lock = _lock_in(directory)
    out = work / "wheel"
    # With this Python, whatever the application asks for: building only packs files, and Pythons are not to be fetched.
    tools = ["--python", sys.executable, "--no-python-downloads", "--out-dir", str(out)]
    run_uv(f"{directory} does not build", "build", "--wheel", *tools, str(directory))
    wheels = list(out.glob("*.whl"))
    if len(wheels) != 1:
        raise ReleaseError(f"{directory} built {len(wheels)} wheels, expected 1: name one package as the source")
    return Parts(wheels[0], lock)


def _checked_out(source: str, work: Path) -> Path:
    """A working copy of the ref in a git address `ADDRESS@REF[#subdirectory=PATH]`."""
    match = _GIT.match(source)
    if match is None or not match["ref"]:
        raise ReleaseError(f"{public(source)}: no ref. Add one, such as @v1.2.3 or @ and a commit: a release is exact")
    address, ref, copy = match["address"], match["ref"], work / "git"
    failed = _git("clone", "--quiet", "--no-checkout", "--", address, str(copy))
    if failed:
        raise ReleaseError(f"can't clone {public(address)}: {failed}")
    # A branch is only known as origin's; a tag or a commit only as itself.
    candidates = (f"origin/{ref}", ref)
    if all(_git("-C", str(copy), "checkout", "--quiet", "--detach", candidate, "--") for candidate in candidates):
        raise ReleaseError(f"{public(address)} has no ref {ref}: no branch, tag or commit is called so")
    return (copy / (match["subdirectory"] or ".")).resolve()


def _git(*words: str) -> str:
    """Run git; the last line of its complaint, or nothing when it succeeded."""
    done = subprocess.run(["git", *words], capture_output=True, text=True)
    complaint = public(done.stderr.strip()).splitlines()[-1:] or [f"git exit status {done.returncode}"]
    return complaint[0] if done.returncode else ""


def public(text: str) -> str:
    """Without a name and password in an address."""
    return _CREDENTIALS.sub("", text)


def run_uv(failure: str, *words: str) -> None:
    """Run uv quietly. Raises ReleaseError with `failure` and uv's own reason."""
    done = subprocess.run([find_uv_bin(), *words, "--quiet"], capture_output=True, text=True)
    if done.returncode:
        raise ReleaseError(f"{failure}:\n{public(done.stderr.strip() or done.stdout.strip())}")

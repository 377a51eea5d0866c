"""Releases: the same input gives the same archive, and every gap is named."""

import hashlib
import subprocess
import tarfile
import threading
import zipfile
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from xteam_infra.release import Release, ReleaseError, build
from xteam_infra.release.__main__ import main
from xteam_infra.release.build import identify
from xteam_infra.release.source import Parts, resolve
from xteam_infra.release.wheel import missing_dependencies

EXAMPLE = Path(__file__).parents[2] / "examples" / "xteam"


def make_wheel(directory: Path, requires: str = "", lock: str = "", **files: str) -> Path:
    """A tiny wheel with a lock beside it."""
    directory.mkdir(parents=True, exist_ok=True)
    wheel = directory / "tiny-1.0-py3-none-any.whl"
    metadata = f"Metadata-Version: 2.1\nName: tiny\nVersion: 1.0\n{requires}"
    info = {
        "METADATA": metadata,
        "WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        "RECORD": "",
    }
    with zipfile.ZipFile(wheel, "w") as opened:
        for name, text in ({"tiny/__init__.py": ""} | files).items():
            opened.writestr(name, text)
        for name, text in info.items():
            opened.writestr(f"tiny-1.0.dist-info/{name}", text)
    (directory / "requirements.lock").write_text(lock)
    return wheel


def git(directory: Path, *words: str) -> None:
    author = ["-c", "user.name=t", "-c", "user.email=t@localhost", "-c", "init.defaultBranch=main"]
    subprocess.run(["git", "-C", str(directory), *author, *words], check=True, capture_output=True)


@pytest.fixture(scope="module")
def example(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The directory into which the example was built."""
    out = tmp_path_factory.mktemp("releases")
    build(EXAMPLE, out=out)
    return out


def test_the_example_is_built_once(example: Path) -> None:
    (archive,) = example.iterdir()
    before = archive.stat()
    again = build(EXAMPLE, out=example)
    assert again.archive == archive
    assert archive.name == f"{again.id}.tar.gz"
    assert archive.stat() == before
    assert len(again.sha256) == 64


def test_the_archive_says_nothing_of_this_machine(example: Path) -> None:
    (archive,) = example.iterdir()
    with tarfile.open(archive) as tar:
        members = tar.getmembers()
        records = [tar.extractfile(m) for m in members if m.name.endswith("RECORD")]
        listed = b"".join(file.read() for file in records if file)
    names = [member.name for member in members]
    assert names == sorted(names, key=lambda name: Path(name).parts)
    assert {name.partition("/")[0] for name in names} == {"site-packages"}
    assert {"site-packages/xteam/main.py", "site-packages/xteam/alembic.ini"} <= set(names)
    assert {(m.uid, m.gid, m.uname, m.mtime) for m in members} == {(0, 0, "", 0)}
    unwanted = [n for n in names if n.startswith("site-packages/bin") or n.endswith(("direct_url.json", ".pyc"))]
    assert not unwanted
    assert b"direct_url.json" not in listed


def test_the_same_source_gives_the_same_bytes(tmp_path: Path) -> None:
    wheel = make_wheel(tmp_path / "source")
    first, second = (build(wheel, out=tmp_path / name) for name in ("one", "two"))
    assert first.id == second.id
    assert first.archive.read_bytes() == second.archive.read_bytes()


@pytest.mark.parametrize("change", ["wheel", "lock", "python", "platform"])
def test_any_other_input_gives_another_id(tmp_path: Path, change: str) -> None:
    before = make_wheel(tmp_path / "before")
    files = {"tiny/__init__.py": "1"} if change == "wheel" else {}
    after = make_wheel(tmp_path / "after", lock="# new\n" if change == "lock" else "", **files)
    python = "3.14" if change == "python" else "3.13"
    platform = "aarch64-manylinux_2_28" if change == "platform" else "x86_64-manylinux_2_28"
    old = identify(Parts(before, before.with_name("requirements.lock")), "3.13", "x86_64-manylinux_2_28")
    assert identify(Parts(after, after.with_name("requirements.lock")), python, platform) != old


def test_the_times_in_a_wheel_do_not_count(tmp_path: Path) -> None:
    wheel = make_wheel(tmp_path)
    parts = Parts(wheel, wheel.with_name("requirements.lock"))
    before = identify(parts, "3.13", "linux")
    with zipfile.ZipFile(wheel) as old:
        contents = {name: old.read(name) for name in old.namelist()}
    with zipfile.ZipFile(wheel, "w") as new:
        for name, data in contents.items():
            new.writestr(zipfile.ZipInfo(name, (2001, 2, 3, 4, 5, 6)), data)
    assert identify(parts, "3.13", "linux") == before


def test_a_git_source(tmp_path: Path) -> None:
    repository = tmp_path / "repository"
    package = repository / "app" / "tiny"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("")
    (repository / "app" / "pyproject.toml").write_text(
        '[build-system]\nrequires = ["hatchling==1.33.0"]\nbuild-backend = "hatchling.build"\n'
        '[project]\nname = "tiny"\nversion = "1.0"\n'
    )
    (repository / "app" / "requirements.lock").write_text("")
    git(repository, "init", "-q")
    git(repository, "add", ".")
    git(repository, "commit", "-q", "-m", "one")
    git(repository, "tag", "v1.0")
    address = f"git+file://{repository}"
    assert build(f"{address}@v1.0#subdirectory=app", out=tmp_path / "out").archive.is_file()
    assert resolve(f"{address}@main#subdirectory=app", tmp_path / "branch").wheel.name.startswith("tiny-1.0")
    with pytest.raises(ReleaseError, match="has no ref v9"):
        resolve(f"{address}@v9", tmp_path / "none")
    with pytest.raises(ReleaseError, match="no ref"):
        resolve(address, tmp_path / "without")
    with pytest.raises(ReleaseError, match="can't clone"):
        resolve(f"{address}-away@v1", tmp_path / "away")


@pytest.fixture
def package_index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A package index on this machine that has tiny 1.0, its lock in the package. Yields the wheel's SHA-256."""
    files = tmp_path / "served" / "simple" / "tiny"
    wheel = make_wheel(files, **{"tiny/requirements.lock": ""})
    (files / "requirements.lock").unlink()
    (files / "index.html").write_text(f'<a href="{wheel.name}">{wheel.name}</a>')
    handler = partial(QuietHandler, directory=str(tmp_path / "served"))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        address = f"user:sesame@127.0.0.1:{server.server_port}"  # pragma: allowlist secret
        monkeypatch.setenv("PIP_INDEX_URL", f"http://{address}/simple")
        yield hashlib.sha256(wheel.read_bytes()).hexdigest()
        server.shutdown()


class QuietHandler(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


def test_a_version_of_a_package_index(tmp_path: Path, package_index: str) -> None:
    plain = build("tiny==1.0", out=tmp_path / "out")
    assert plain.archive.is_file() and plain.source == "tiny==1.0"
    assert build(f"tiny==1.0 --hash=sha256:{package_index}", out=tmp_path / "out").id == plain.id


@pytest.mark.parametrize(
    ("source", "reason"), [("tiny==2.0", "tiny==2.0"), (f"tiny==1.0 --hash=sha256:{'0' * 64}", "DO NOT MATCH")]
)
def test_an_index_without_it_is_refused(tmp_path: Path, package_index: str, source: str, reason: str) -> None:
    with pytest.raises(ReleaseError, match=reason) as refused:
        resolve(source, tmp_path)
    assert "sesame" not in str(refused.value)


def test_a_wheel_without_any_lock_is_refused(tmp_path: Path) -> None:
    wheel = make_wheel(tmp_path)
    (tmp_path / "requirements.lock").unlink()
    with pytest.raises(ReleaseError, match=r"no requirements\.lock beside tiny-1\.0"):
        resolve(wheel, tmp_path)


def test_a_password_in_an_address_is_not_shown(tmp_path: Path) -> None:
    with pytest.raises(ReleaseError) as refused:
        resolve("https://user:sesame@localhost:1/x.git@v1", tmp_path)  # pragma: allowlist secret
    assert "sesame" not in str(refused.value)


def test_what_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(ReleaseError, match="no such source"):
        resolve(tmp_path / "nowhere", tmp_path)
    with pytest.raises(ReleaseError, match=r"no pyproject\.toml"):
        resolve(tmp_path, tmp_path)
    (tmp_path / "pyproject.toml").write_text("")
    with pytest.raises(ReleaseError, match=r"no requirements\.lock.*\n?.*uv pip compile"):
        resolve(tmp_path, tmp_path)


def test_a_lock_without_hashes_is_refused(tmp_path: Path) -> None:
    wheel = make_wheel(tmp_path, lock="six==1.17.0\n")
    with pytest.raises(ReleaseError, match="hash"):
        build(wheel, out=tmp_path / "out")
    assert not list((tmp_path / "out").iterdir()), "a failed build leaves no archive"


def test_a_dependency_with_another_hash_is_refused(tmp_path: Path) -> None:
    wheel = make_wheel(tmp_path, lock=f"six==1.17.0 --hash=sha256:{'0' * 64}\n")
    with pytest.raises(ReleaseError, match=r"(?si)hash mismatch.*six"):
        build(wheel, out=tmp_path / "out")
    assert not list((tmp_path / "out").iterdir()), "a failed build leaves no archive"


def test_an_archive_that_was_changed_is_refused(tmp_path: Path) -> None:
    """Recorded when it was released; somebody or a broken disk has changed it since."""
    (tmp_path / "abc.tar.gz").write_bytes(b"something else")
    with pytest.raises(ReleaseError, match=r"is not what was released: its SHA-256 is .* recorded is 0000"):
        Release.known("abc", "0" * 64, "examples/xteam", out=tmp_path).fetched()


def test_a_dependency_without_a_wheel_is_refused(tmp_path: Path) -> None:
    # docopt was only ever published as source.
    digest = "49b3a825280bd66b3aa83585ef59c4a8c82f2c8a522dbe754a8bc8d08c85c491"
    wheel = make_wheel(tmp_path, lock=f"docopt==0.6.2 --hash=sha256:{digest}\n")
    with pytest.raises(ReleaseError, match="docopt"):
        build(wheel, out=tmp_path / "out")


def test_a_lock_that_lacks_a_requirement_is_refused(tmp_path: Path) -> None:
    requires = "Requires-Dist: six>=1\nRequires-Dist: old; python_version < '3'\nRequires-Dist: x; extra == 'test'\n"
    wheel = make_wheel(tmp_path, requires=requires)
    with pytest.raises(ReleaseError, match=r"lacks what .* requires: six>=1\."):
        build(wheel, out=tmp_path / "out")
    (tmp_path / "six-0.9.dist-info").mkdir()
    assert missing_dependencies(wheel, tmp_path, "3.13") == ["six>=1"]


def test_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    wheel = make_wheel(tmp_path)
    monkeypatch.setattr("sys.argv", ["release", str(wheel), "--out", str(tmp_path / "out")])
    assert main() == 0
    assert "sha256:" in capsys.readouterr().out
    monkeypatch.setattr("sys.argv", ["release", str(tmp_path / "nowhere")])
    assert main() == 1
    assert capsys.readouterr().err.splitlines()[-1].startswith("error: no such source")

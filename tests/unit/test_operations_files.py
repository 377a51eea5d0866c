"""write, directories, remove and ensure, with their commands really run, on files of this machine."""

import os
import stat
import subprocess
import threading
from pathlib import Path

import pytest
from conftest import commands_of
from pyinfra import logger

from xteam_infra.engine.facts.files import FileText
from xteam_infra.engine.operations import HostDirectory, HostFile, directories, ensure, remove, write

PASSWORD = "correct-horse-battery-staple"  # noqa: S105 - invented here


@pytest.fixture
def me():
    """Owner and group of files this test may make."""
    return {"owner": Path("/proc/self").owner(), "group": Path("/proc/self").group()}


def run(command, stdin=None):
    """Run one command of an operation as pyinfra would; stdin: other input than it brings."""
    given = command.connector_arguments.get("_stdin", "") if stdin is None else stdin
    return subprocess.run(["sh", "-c", command.get_raw_value()], input=given, text=True, capture_output=True)


def names(directory):
    return [path.name for path in directory.iterdir()]


def apply(operation, *arguments):
    for command in commands_of(operation, *arguments):
        done = run(command)
        assert done.returncode == 0, done.stderr


def test_a_file_is_written_once(local_host, tmp_path, me):
    file = HostFile(f"{tmp_path}/new/x.conf", text="port 1\n", mode="640", **me)
    apply(write, [file])
    path = tmp_path / "new/x.conf"
    assert path.read_text() == "port 1\n" and stat.S_IMODE(path.stat().st_mode) == 0o640
    assert commands_of(write, [file]) == [], "a second run must change nothing"


def test_only_what_differs_is_written(local_host, tmp_path, me):
    files = [HostFile(f"{tmp_path}/{n}", text=f"{n}\n", **me) for n in range(3)]
    apply(write, files)
    (tmp_path / "1").write_text("drift\n")
    assert len(commands_of(write, files)) == 1
    apply(write, files)
    assert (tmp_path / "1").read_text() == "1\n"


def test_a_wrong_mode_is_mended_without_rewriting(local_host, tmp_path, me):
    file = HostFile(f"{tmp_path}/x", text="x\n", mode="600", **me)
    apply(write, [file])
    path = tmp_path / "x"
    inode = path.stat().st_ino
    path.chmod(0o644)
    apply(write, [file])
    assert stat.S_IMODE(path.stat().st_mode) == 0o600 and path.stat().st_ino == inode


def test_invalid_content_never_arrives(local_host, tmp_path, me):
    path = tmp_path / "x"
    path.write_text("good\n")
    file = HostFile(str(path), text="bad\n", validate="grep -q good {}", **me)
    (command,) = commands_of(write, [file])
    done = run(command)
    assert done.returncode != 0 and f"{path}: is not valid; the old file stays" in done.stderr
    assert path.read_text() == "good\n" and names(tmp_path) == ["x"], "something is left over"


def test_a_dropped_connection_leaves_the_old_file(local_host, tmp_path, me):
    path = tmp_path / "x"
    path.write_text("old\n")
    (command,) = commands_of(write, [HostFile(str(path), text="a long new text\n", **me)])
    done = run(command, stdin="a long n")
    assert done.returncode != 0 and "arrived incomplete" in done.stderr
    assert path.read_text() == "old\n" and names(tmp_path) == ["x"], "something is left over"


def test_a_secret_is_never_readable_by_others(local_host, tmp_path, me):
    """Not even for an instant: everything in the directory is watched while it is written, over and over."""
    file = HostFile(f"{tmp_path}/x", text=lambda: f"{PASSWORD}\n", mode="600", **me)
    seen, stop = set(), threading.Event()

    def watch():
        while not stop.is_set():
            for one in os.scandir(tmp_path):
                try:
                    seen.add(stat.S_IMODE(one.stat().st_mode))
                except FileNotFoundError:
                    continue

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        (command,) = commands_of(write, [file])
        for _ in range(20):
            assert run(command).returncode == 0
    finally:
        stop.set()
        thread.join()
    assert seen == {0o600}, [oct(mode) for mode in seen]


def test_a_secret_travels_by_standard_input_alone(local_host, tmp_path, me):
    """Command lines are seen by every local user, and sudo writes them to the journal."""
    file = HostFile(f"{tmp_path}/x", text=lambda: PASSWORD, **me)
    (command,) = commands_of(write, [file])
    assert PASSWORD not in command.get_raw_value() and PASSWORD not in str(command)
    assert PASSWORD not in repr(file) and PASSWORD not in str([file])
    assert command.connector_arguments["_stdin"] == f"{PASSWORD}\n"
    assert file.shown() is None, "a diff would show it"


@pytest.fixture
def diff_of(local_host, caplog):
    """What --diff would show of a file."""

    def shown(file):
        local_host.state.config.DIFF = True
        caplog.clear()
        with caplog.at_level("INFO", logger="pyinfra"):
            commands_of(write, [file])
        return caplog.text

    logger.propagate = True
    yield shown
    logger.propagate = False


OLD = f"user app\npassword {PASSWORD}\nrequirepass {PASSWORD}-by-hand\n{PASSWORD}\nport 1\n"


@pytest.mark.parametrize("mode", ["600", "640", "644"])
def test_diff_shows_no_secret_of_the_hosts(diff_of, tmp_path, me, mode):
    """Neither where one of ours stands, nor what somebody wrote there, nor in a file that is to be closed."""
    path = tmp_path / "x"
    path.write_text(OLD)
    path.chmod(0o644)
    text = "user app\npassword {{ secret('redis/app') | redis }}\nport 2\n"
    (tmp_path / "x.j2").write_text(text)
    file = HostFile(str(path), text="user app\nport 2\n", mode=mode, **me)
    said = diff_of(file)
    assert PASSWORD not in said.replace(f"-{PASSWORD}\n", "", 1 if mode == "644" else 0), said
    assert "port 2" in said and "user app" in said
    assert ("-port 1" in said) == (mode == "644"), "a file that everybody may read is shown"


@pytest.mark.parametrize(
    "line",
    [
        f"requirepass {PASSWORD}",
        f"password: '{PASSWORD}'",
        f"POSTGRES_PASSWORD={PASSWORD}",
        f'  "api_key": "{PASSWORD}",',
        f"url = redis://app:{PASSWORD}@127.0.0.1/0",
        f"-----BEGIN PRIVATE KEY-----\n{PASSWORD}\n-----END PRIVATE KEY-----",  # pragma: allowlist secret
    ],
)
def test_what_is_read_for_a_diff_holds_no_password(local_host, tmp_path, line):
    path = tmp_path / "x"
    path.write_text(f"PasswordAuthentication no\n{line}\n")
    found = local_host.get_fact(FileText, path=str(path))
    assert PASSWORD not in found and "<not shown>" in found
    assert found.startswith("PasswordAuthentication no\n")


def test_odd_names_are_only_names(local_host, tmp_path, me):
    path = tmp_path / 'it\'s; $(touch owned) "x"'
    file = HostFile(str(path), text="x\n", **me)
    apply(write, [file])
    assert path.read_text() == "x\n" and commands_of(write, [file]) == []
    apply(remove, [str(path)])
    assert names(tmp_path) == []


def test_directories(local_host, tmp_path, me):
    wanted = HostDirectory(f"{tmp_path}/a", mode="750", **me)
    apply(directories, [wanted])
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == 0o750
    assert commands_of(directories, [wanted]) == []
    (tmp_path / "a").chmod(0o2777)
    apply(directories, [wanted])
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == 0o750


def test_remove(local_host, tmp_path):
    (tmp_path / "x").write_text("")
    apply(remove, [f"{tmp_path}/x", f"{tmp_path}/never-there"])
    assert names(tmp_path) == [] and commands_of(remove, [f"{tmp_path}/x"]) == []


def test_ensure_acts_only_while_the_goal_is_not_reached(local_host, tmp_path):
    arguments = (f"touch {tmp_path}/goal", f"test -e {tmp_path}/goal")
    apply(ensure, *arguments)
    assert (tmp_path / "goal").exists() and commands_of(ensure, *arguments) == []


def test_ensure_fails_when_the_goal_is_not_reached(local_host, tmp_path):
    (command,) = commands_of(ensure, "true", f"test -e {tmp_path}/goal")
    done = run(command)
    assert done.returncode != 0 and "the goal is not reached" in done.stderr


def test_ensure_hands_secrets_over_by_standard_input(local_host, tmp_path):
    (command,) = commands_of(ensure, f"cat > {tmp_path}/x", f"test -s {tmp_path}/x", lambda: PASSWORD)
    assert PASSWORD not in command.get_raw_value()
    assert run(command).returncode == 0 and (tmp_path / "x").read_text() == PASSWORD

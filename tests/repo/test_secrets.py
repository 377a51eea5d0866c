"""No key of ours or of a provider gets into the repository: the scanner finds one of each sort, and refuses it."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[2]
# Put together here, for the scanner reads this file too.
PLANTED = {
    "OpenAI": "sk-" + "Ab3" * 6 + "Zz" + "T3Blbk" + "FJ" + "xY7" * 6 + "Qq",
    "AWS": "AKIA" + "IOSFODNN7EXAMPL2",
    "GitHub": "ghp_" + "a1B2" * 9,
    "Stripe": "sk_live_" + "a1B2c3" * 4,
    "Slack": "xoxb-" + "123456789012-123456789012-" + "aB3" * 8,
    "Private Key": "-----BEGIN " + "EC PRIVATE KEY-----",
}


@pytest.fixture
def checkout(tmp_path):
    """A repository of its own with the project's scanner and hook."""
    for name in ("script", ".githooks"):
        shutil.copytree(PROJECT / name, tmp_path / name)
    (tmp_path / ".venv").symlink_to(PROJECT / ".venv")
    (tmp_path / ".gitignore").write_text("/.venv\n")

    def git(*words):
        who = ["-c", "user.name=a", "-c", "user.email=a@example.com"]
        environment = {key: value for key, value in os.environ.items() if not key.startswith("GIT_")}
        return subprocess.run(
            ["git", *who, *words], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
        )

    git("init", "--quiet")
    git("config", "core.hooksPath", ".githooks")
    git("add", "--all")
    first = git("commit", "--quiet", "--message", "clean")
    assert first.returncode == 0, f"a clean commit is refused: {first.stdout}{first.stderr}"
    git.directory = tmp_path
    return git


@pytest.mark.item("SEC-11")
def test_nothing_that_is_committed_is_a_secret():
    done = subprocess.run([PROJECT / "script/secrets"], cwd=PROJECT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.item("SEC-11")
def test_planted_keys_are_refused(checkout):
    """At the commit, by the hook; and where the hook was gone around, by script/secrets, which lint and tests run."""
    lines = [f'{sort.replace(" ", "")} = "{key}"' for sort, key in PLANTED.items()]
    (checkout.directory / "settings.py").write_text("\n".join(lines) + "\n")
    checkout("add", "settings.py")
    refused = checkout("commit", "--message", "with keys")
    said = refused.stdout + refused.stderr
    assert refused.returncode != 0, "a commit with keys is accepted"
    for number, (sort, key) in enumerate(PLANTED.items(), 1):
        assert sort in said and f"settings.py:{number}\n" in said, f"a key of {sort} is not found: {said}"
        assert key not in said, f"the key of {sort} is shown"
    assert checkout("commit", "--no-verify", "--message", "with keys").returncode == 0
    scan = subprocess.run(["script/secrets"], cwd=checkout.directory, capture_output=True, text=True, check=False)
    assert scan.returncode != 0 and "settings.py:1\n" in scan.stdout, scan.stdout + scan.stderr


@pytest.mark.item("SEC-11")
def test_what_is_staged_counts_not_what_lies_there(checkout):
    file = checkout.directory / "settings.py"
    file.write_text(f'key = "{PLANTED["AWS"]}"\n')
    checkout("add", "settings.py")
    file.write_text("key = None\n")
    assert checkout("commit", "--message", "with a key").returncode != 0

"""Runbooks are carried out block by block; tests/repo sees that a drill does so with each."""

import re

import pytest

from tests.drills.harness.runbooks import Runbook, RunbookError, blocks


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("# X\n\n    reboot\n", "3: an indented block"),
        ("```\nreboot\n```\n", "1: the mark is ''"),
        ("```sh\nreboot\n```\n", "the mark is 'sh'"),
        ("```sh on=leader id=a\nx\n```\n```sh on=leader id=a\ny\n```\n", "a second block a"),
    ],
)
def test_commands_without_mark_are_refused(tmp_path, text, said):
    path = tmp_path / "x.md"
    path.write_text(text)
    with pytest.raises(RunbookError, match=re.escape(said)):
        blocks(path)


@pytest.fixture
def book(tmp_path, monkeypatch):
    say = "```sh on=controller id=say\necho INVENTORY NAME\n```\n"
    (tmp_path / "x.md").write_text(f"{say}```text\noutput\n```\n```sh on=leader id=fail\nfalse\n```\n")
    monkeypatch.setattr("tests.drills.harness.runbooks.DIRECTORY", tmp_path)
    return Runbook("x", "inventories/lab.py")


def test_a_block_is_run_where_it_is_typed(book):
    assert book.run("say", NAME="db1") == "inventories/lab.py db1\n"
    assert book.not_run() == ["fail"]
    with pytest.raises(RunbookError, match="typed on leader"):
        book.run("fail")
    with pytest.raises(RunbookError, match="no OTHER to fill in"):
        book.run("say", OTHER="x")


def test_a_block_that_fails_is_told(book):
    with pytest.raises(AssertionError, match="say ended with 0"):
        book.run("say", succeeds=False, NAME="db1")

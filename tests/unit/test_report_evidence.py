"""Evidence holds no secret, and only answers that can't have changed are used again."""

import pytest

from checklist.evidence import STDOUT_CHARACTERS, Evidence, Recorder, Redactor
from checklist.hosts import Memo
from checklist.readonly import only_reads
from checklist.shell import Answer

SECRET = "s3cr3t" * 10


@pytest.fixture
def redact():
    redact = Redactor()
    redact.add("postgres/app", SECRET)
    return redact


def test_known_secrets_are_shown_as_their_names(redact):
    assert redact(f"user:{SECRET}@host") == "user:[secret postgres/app]@host"


def test_the_longer_of_two_secrets_wins(redact):
    redact.add("url", f"redis://app:{SECRET}@host")
    assert redact(f"= redis://app:{SECRET}@host") == "= [secret url]"


def test_a_secret_that_pytest_shortened_is_known_by_its_ends(redact):
    redact.add("redis/queue/app", "abcdefghijklmnopqrstuvwxyz0123456789")
    assert redact("assert 'abcdefghij...0123456789' == ''") == "assert '[secret redis/queue/app]' == ''"
    assert redact("see /etc/hosts...and more") == "see /etc/hosts...and more"


def test_words_too_short_to_be_secrets_stay(redact):
    redact.add("short", "on")
    assert redact("appendonly on") == "appendonly on"


@pytest.mark.parametrize(
    "text",
    [
        "-----BEGIN PRIVATE KEY-----\nMIIabc\n-----END PRIVATE KEY-----",  # pragma: allowlist secret
        "-----BEGIN EC PRIVATE KEY-----\nMIIabc (cut)",  # pragma: allowlist secret
        "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhIn0.c2lnbmF0dXJl",  # pragma: allowlist secret
        "SCRAM-SHA-256$4096:c2FsdA==$c3RvcmVk:c2VydmVy",
        "$y$j9T$abc$def",
    ],
)
def test_secrets_are_known_by_their_shape(redact, text):
    assert redact(f"before {text}") == "before [secret]"


def test_a_secret_at_the_cut_does_not_leak(redact):
    recorder = Recorder(redact)
    recorder.begin("check")
    recorder.record(Evidence("h", f"echo {SECRET}", 0, "x" * (STDOUT_CHARACTERS - 10) + SECRET, SECRET, 1.0))
    shown = recorder.taken()[0]
    assert SECRET[:8] not in str(shown)
    assert shown["stdout"].endswith("more characters]")


def test_answers_are_hidden_while_the_secrets_are_not_known(redact):
    recorder = Recorder(redact)
    recorder.muted = "[hidden]"
    recorder.begin("check")
    recorder.record(Evidence("h", "cat app.env", 0, "SECRET_KEY=unknown", "", 1.0))
    assert recorder.taken()[0]["stdout"] == "[hidden]"


def test_a_check_has_only_its_own_evidence(redact):
    recorder = Recorder(redact)
    recorder.begin("one")
    recorder.record(Evidence("h", "true", 0, "", "", 1.0))
    recorder.begin("two")
    assert recorder.taken() == []


@pytest.mark.parametrize(
    "command",
    ["systemctl is-active redis", "stat -c %a '/etc/a;b'", "grep -qs -- 'a|b > c' /etc/hosts", "nft -j list ruleset"],
)
def test_commands_that_only_look(command):
    assert only_reads(command)


@pytest.mark.parametrize(
    "command",
    [
        "systemctl restart redis",
        "cat /etc/hosts > /etc/other",
        "cat /etc/hosts; rm x",
        "cat /etc/hosts | tee x",
        "stat $(touch /x)",
        "stat `touch /x`",
        "cat a && rm a",
        "cat a & rm a",
        "cat a\nrm a",
        "cat 'a",
        "redis-cli INFO",
        "nft flush ruleset",
        "sysctl -w a=b",
        "",
    ],
)
def test_commands_that_may_change_something(command):
    assert not only_reads(command)


def test_answers_are_used_again_by_other_checks_until_something_may_have_changed():
    memo, answer = Memo(), Answer(0, b"active", b"")
    memo.put("one", "redis1", "systemctl is-active redis", answer)
    assert memo.get("two", "redis1", "systemctl is-active redis") is answer
    assert memo.get("two", "redis2", "systemctl is-active redis") is None
    for check in ("one", "two"):
        again = memo.get(check, "redis1", "systemctl is-active redis")
        assert again is None, "a check that asks again waits for a change"
    memo.forget()
    assert memo.get("three", "redis1", "systemctl is-active redis") is None

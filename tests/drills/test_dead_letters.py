"""Drill on tasks that failed for good: listed with their reason, sent again after the cause was mended, forgotten."""

import json
from uuid import uuid4

import pytest

pytestmark = pytest.mark.group("worker", first=True)


def records(book, host):
    return {one["id"]: one for one in map(json.loads, book.run("records", host).splitlines())}


@pytest.mark.item("CEL-07")
def test_dead_letters_are_listed_replayed_and_purged(host, estate, runbook, eventually, figures):
    """By their runbook. Three tasks fail; one is sent again and fails again, as another one; then all are forgotten."""
    book = runbook("dead-letters")
    mark = f"drill-{uuid4().hex[:8]}"
    send = f"xteam-run -m celery --quiet --app {estate.celery.celery_app} call xteam.failing --args '[\"{mark}\"]'"
    ids = [host.check_output(send).split()[-1] for _ in range(3)]
    eventually(lambda: set(ids) <= set(records(book, host)), seconds=60, interval=1)
    listed = book.run("list")
    assert all(f"{one}  xteam.failing" in listed for one in ids) and mark in listed, listed[-2000:]

    said = book.run("replay", IDS=ids[0])
    assert f"{ids[0]} xteam.failing: sent again as" in said, said[-2000:]
    new = said.partition("sent again as ")[2].split()[0]
    eventually(lambda: new in records(book, host), seconds=60, interval=1)
    assert ids[0] not in records(book, host), "who was sent again is no dead letter any more"
    book.run("replay", succeeds=False, IDS=ids[0])

    book.run("purge", TASK="xteam.failing")
    left = {one for one, record in records(book, host).items() if record["task"] == "xteam.failing"}
    assert not left & {*ids, new}, f"not forgotten: {left}"
    figures["dead_letters"] = len(ids) + 1

"""Old workspaces go, young ones stay; erased users leave nothing on any host."""

import os
import time

import pytest
from conftest import Member
from fastapi.testclient import TestClient
from sqlalchemy.orm import Session

from xteam.config import get_settings
from xteam.database import engine
from xteam.files import remove_erased_users, remove_old_workspaces, upload_path, workspace_path
from xteam.models import Workspace

pytestmark = pytest.mark.services


def test_old_workspaces_are_removed(client: TestClient, member: Member) -> None:
    old, young, used = (
        client.post("/workspaces", json={"name": name}, headers=member.headers).json()["id"]
        for name in ("old", "young", "used")
    )
    long_ago = time.time() - (get_settings().WORKSPACE_MAX_AGE_DAYS + 1) * 86400
    for name in (old, used):
        os.utime(workspace_path(member.id, name), (long_ago, long_ago))
    directory = workspace_path(member.id, used)
    (directory / "notes.txt").write_text("today")
    os.utime(directory, (long_ago, long_ago))
    with Session(engine()) as session:
        assert remove_old_workspaces(session) == 1
        assert [session.get(Workspace, name) is not None for name in (old, young, used)] == [False, True, True]
    assert [workspace_path(member.id, name).is_dir() for name in (old, young, used)] == [False, True, True]


def test_another_hosts_erasure_is_completed_here(client: TestClient, member: Member) -> None:
    client.delete("/me", headers=member.headers)
    left, strangers = upload_path(member.id, "left"), upload_path(999_999_999, "of-another-database")
    for path in (left, strangers):
        path.parent.mkdir(parents=True)
        path.write_text("data")
    with Session(engine()) as session:
        assert remove_erased_users(session) == 1
    assert not left.exists()
    assert strangers.exists(), "only what the audit says was erased may go"

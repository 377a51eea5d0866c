"""A person's data: all of it on request, and nothing of it after the erasure."""

import json
from datetime import UTC, date, datetime
from uuid import uuid4

import pytest
from xteam_client import User, claims, make_user, run_python, through

from xteam_infra.layers.app.needs import UPLOADS, WORKSPACES
from xteam_infra.layers.backup.retention import backup_days


@pytest.fixture
def person(hosts, estate, password):
    """A user with an upload, a workspace, a session and cached reads: what there is to export and to erase."""
    host = hosts.group("app")[0]
    name = f"person-{uuid4().hex[:8]}"
    make_user(host, name, password)
    api = through(host, hosts, estate)
    token = api.login(name, password)
    upload = api("/uploads?name=diary.txt", "POST", token, body={"dear": "diary"})
    workspace = api("/workspaces", "POST", token, body={"name": "attic"})
    api("/workspaces", token=token)
    yield api, User(name, password, claims(token)["sub"]), token, upload.json()["id"], workspace.json()["id"]
    api("/me", "DELETE", token)  # where the check has not erased him


@pytest.mark.group("app", first=True)
@pytest.mark.item("LAW-06")
def test_user_exports_all_own_data(estate, person):
    api, user, token, upload, workspace = person
    copy = api("/me/export", token=token).json()
    assert copy["user"]["name"] == user.name
    assert [one["id"] for one in copy["uploads"]] == [upload]
    assert [one["id"] for one in copy["workspaces"]] == [workspace]
    assert len(copy["sessions"]) == 1, "the export lacks the user's session"
    assert "login" in {one["action"] for one in copy["audit"]}, "the export lacks the user's audit"
    assert copy["backups_keep_days"] == backup_days(estate), "the user is told another time than backups are kept"
    assert api(f"/uploads/{upload}", token=token).json() == {"dear": "diary"}


@pytest.mark.group("app", first=True)
@pytest.mark.item("LAW-07")
def test_erased_user_leaves_no_data(host, estate, person):
    """From the database, the disk, the sessions and the caches; what stays is an audit row with the bare number."""
    api, user, token, _, _ = person
    assert host.run(f"ls -d {UPLOADS}/{user.id} {WORKSPACES}/{user.id}").rc == 0, "nothing to erase: no proof"
    said = api("/me", "DELETE", token)
    assert said.status == 200
    days = (date.fromisoformat(said.json()["gone_from_backups"]) - datetime.now(UTC).date()).days
    kept = backup_days(estate)
    assert days in (kept - 1, kept), f"he is told {days} days; backups are kept for {kept}"
    assert api("/me", token=token).status == 401, "an erased user's token still works"
    again = api("/auth/login", "POST", body={"name": user.name, "password": user.password})
    assert again.status == 401, "an erased user can log in"
    left = host.run(f"ls -d {UPLOADS}/{user.id} {WORKSPACES}/{user.id} 2>/dev/null").stdout.split()
    assert not left, f"on disk are still {', '.join(left)}"
    look = """
import json
from sqlalchemy import select
from sqlalchemy.orm import Session
from xteam.database import engine
from xteam.models import Audit, Upload, User, Workspace
from xteam.stores import store
with Session(engine()) as session:
    rows = [len(session.scalars(select(t).where(c == %(id)s)).all())
            for t, c in ((User, User.id), (Upload, Upload.user_id), (Workspace, Workspace.user_id))]
    audit = session.scalars(select(Audit.action).where(Audit.subject == "%(id)s")).all()
keys = store("sessions").exists("session:user:%(id)s") + store("cache").exists("cache:workspaces:%(id)s")
print(json.dumps({"rows": sum(rows), "keys": keys, "audit": audit}))
"""
    found = run_python(host, look % {"id": user.id})
    assert found["rows"] == 0, f"{found['rows']} rows of an erased user are left"
    assert found["keys"] == 0, "sessions or cached answers of an erased user are left"
    assert "erase" in found["audit"], "no audit record of the erasure"


@pytest.mark.group("app", first=True)
@pytest.mark.item("LAW-06", "LAW-07")
def test_operators_export_and_erase(host, hosts, estate, password):
    """By the commands for those who can't log in any more: the same copy, and the same end."""
    name, manage = f"person-{uuid4().hex[:8]}", f"xteam-run -m {estate.app.app_manage_module}"
    make_user(host, name, password)
    api = through(host, hosts, estate)
    token = api.login(name, password)
    api("/uploads?name=diary.txt", "POST", token, body={"dear": "diary"})
    copy = json.loads(host.check_output(f"{manage} export {name}"))
    assert copy["user"]["name"] == name and len(copy["uploads"]) == len(copy["sessions"]) == 1, copy
    assert copy["backups_keep_days"] == backup_days(estate)
    said = host.check_output(f"{manage} erase {name}")
    assert "no backup has it from 20" in said, f"it does not say how long backups have it: {said}"
    assert api("/me", token=token).status == 401, "an erased user's token still works"
    assert host.run(f"{manage} export {name}").rc != 0, "an erased user can be exported"

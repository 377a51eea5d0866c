"""Tests marked `services` speak to a real PostgreSQL (migrated: python -m xteam.migrate) and real Redis, named by the
application's own environment variables, and are skipped without them. They make users of their own and erase them.
"""

import os
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

NEEDED = ("POSTGRES_HOST", "REDIS_CACHE_URL", "REDIS_SESSIONS_URL", "REDIS_BLACKLIST_URL", "CELERY_BROKER_URL")
PASSWORD = "correct horse battery staple"  # noqa: S105 - of users that live as long as one test
ALONE = {
    "SECRET_KEY": "0123456789abcdefghijklmnopqrstuvwxyz",
    "POSTGRES_HOST": "localhost",
    "POSTGRES_DB": "xteam",
    "POSTGRES_USER": "xteam",
    "POSTGRES_PASSWORD": "unused",
    "CELERY_RESULT_BACKEND": "redis://localhost/1",
    **{name: "redis://localhost/0" for name in NEEDED if name.endswith("_URL")},
}


def pytest_configure() -> None:
    # Here, not in pytest_collection_modifyitems: the application reads its environment when it is imported.
    pytest.services = all(os.environ.get(name) for name in NEEDED)  # type: ignore[attr-defined]
    for name, value in ALONE.items():
        os.environ.setdefault(name, value)
    os.environ.setdefault("UPLOAD_DIR", "uploads")
    os.environ.setdefault("WORKSPACE_DIR", "workspaces")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.get_closest_marker("services") and not pytest.services:  # type: ignore[attr-defined]
            item.add_marker(pytest.mark.skip(reason=f"needs {', '.join(NEEDED)} in the environment"))


@pytest.fixture(autouse=True)
def _own_directories(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    from xteam.config import get_settings

    monkeypatch.setenv("UPLOAD_DIR", str(tmp_path / "uploads"))
    monkeypatch.setenv("WORKSPACE_DIR", str(tmp_path / "workspaces"))
    get_settings.cache_clear()
    yield
    get_settings.cache_clear()


def new_client(**options: object) -> TestClient:
    """A client with an address of its own, so that no test uses up another's rate limit."""
    from xteam.config import get_settings
    from xteam.main import create_app

    get_settings.cache_clear()
    host = get_settings().ALLOWED_HOSTS[0]
    address = (f"test-{uuid.uuid4().hex}", 1)
    return TestClient(create_app(), base_url=f"http://{host}", client=address, raise_server_exceptions=False)


@pytest.fixture
def client() -> TestClient:
    return new_client()


@dataclass(frozen=True)
class Member:
    """A user who is logged in."""

    id: int
    name: str
    token: str

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}"}


def _member(client: TestClient, staff: bool) -> Iterator[Member]:
    from sqlalchemy.orm import Session

    from xteam import privacy
    from xteam.database import engine
    from xteam.models import User
    from xteam.security import hash_password

    name = f"test-{uuid.uuid4().hex}"
    with Session(engine()) as session:
        user = User(name=name, password_hash=hash_password(PASSWORD), is_staff=staff)
        session.add(user)
        session.commit()
        user_id = user.id
    answer = client.post("/auth/login", json={"name": name, "password": PASSWORD})
    yield Member(user_id, name, answer.json()["access_token"])
    with Session(engine()) as session:
        if left := session.get(User, user_id):
            privacy.erase(session, left, actor="test")


@pytest.fixture
def member(client: TestClient) -> Iterator[Member]:
    yield from _member(client, staff=False)


@pytest.fixture
def staff(client: TestClient) -> Iterator[Member]:
    yield from _member(client, staff=True)

"""Checks over an inventory: pytest tests/hosts --inventory inventories/lab.py (docs/operations/verification.md).

Here is what the checks share: the application's way into PostgreSQL, the bucket, a client of
an edge, a user, his tokens, and a way to ask an API host.
"""

from uuid import uuid4

import pytest
from edge_client import forget
from postgres_client import PORT, conninfo_of
from xteam_client import User, claims, make_user, through

from xteam_infra.cloud import client
from xteam_infra.secrets import open_store
from xteam_infra.secrets.vault import make_token

PASSWORD = "verify/user-password"  # noqa: S105 - the name of a secret


@pytest.fixture
def app(estate, secret):
    """The application's way into PostgreSQL: `app(address, port)` is a conninfo, `app.password` goes beside it."""
    settings = estate.postgres

    def conninfo(address, port=PORT, **more):
        return conninfo_of(address, port, **{"user": settings.POSTGRES_USER, "dbname": settings.POSTGRES_DB, **more})

    conninfo.password = secret(settings.POSTGRES_PASSWORD.name)
    return conninfo


@pytest.fixture
def s3(estate, secret):
    """The backups' object storage, as the controller speaks to it; None without a second repository."""
    settings = estate.backup
    if not settings.bucket:
        return None
    own = settings.backup_s3_controller == "key"
    key = (secret(settings.backup_s3_key_id.name), secret(settings.backup_s3_key.name)) if own else None
    return client(settings.storage, key)


@pytest.fixture(scope="module")
def unlimited(hosts):
    """The controller asks more often than a person: its count starts anew for each run."""
    forget(hosts)


@pytest.fixture
def browse(host, http, estate):
    """Ask this edge by a public name. Whether its certificate holds is asked once, below."""

    def ask(path="/healthz", **how):
        return http(host.address, path, **{"name": estate.all.domain, "verify": False, **how})

    return ask


@pytest.fixture(scope="session")
def password(estate, secret):
    """Of the checks' users; from the store, so that no report shows it."""
    store = open_store(estate.all.secrets_store)
    if store.get(PASSWORD) is None:
        store.create(PASSWORD, make_token())
    return secret(PASSWORD)


@pytest.fixture(scope="session")
def staff(hosts, estate, password):
    """A user with staff rights; erased at the end."""
    api_host = hosts.group("app")[0]
    name = f"verify-{uuid4().hex[:8]}"
    make_user(api_host, name, password, "--staff")
    api = through(api_host, hosts, estate)
    token = api.login(name, password)
    yield User(name, password, claims(token)["sub"])
    api("/me", "DELETE", api.login(name, password))


@pytest.fixture
def api(host, hosts, estate):
    return through(host, hosts, estate)


@pytest.fixture(scope="session")
def tokens():
    return {}


@pytest.fixture
def token(api, staff, tokens):
    """A token of the checks' user, one for each host: logging in takes the API a quarter of a second."""
    if api.host.name not in tokens:
        tokens[api.host.name] = api.login(staff.name, staff.password)
    return tokens[api.host.name]

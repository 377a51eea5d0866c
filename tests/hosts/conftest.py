"""Checks over an inventory: pytest tests/hosts --inventory inventories/lab.py (docs/verification.md).

Here is what the checks of the application share: a user, his tokens, and a way to ask an API host.
"""

from uuid import uuid4

import pytest
from xteam_client import User, claims, make_user, through

from xteam_infra.secrets import open_store
from xteam_infra.secrets.vault import make_token

PASSWORD = "verify/user-password"  # noqa: S105 - the name of a secret


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

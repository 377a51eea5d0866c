"""A probe of the whole site through an edge, after OWASP's Top 10 of 2021: what an attacker tries first.

A02 (TLS), A05 (headers, what is public) and A07 (guessed passwords) have checks of their own in test_edge.py and
test_edge_limits.py; forged and revoked tokens in test_app_access.py. A06 and A08 are matters of builds.
"""

import json
from uuid import uuid4

import pytest
from edge_client import Visitor
from xteam_client import User, claims, make_user, through

from xteam_infra.layers.edge.needs import ALIVE_PORT

pytestmark = [pytest.mark.group("edge", first=True), pytest.mark.item("TST-02")]

PRIVATE = ("/me", "/me/export", "/workspaces", "/uploads/0", "/tasks/0", "/upstream", "/debug/error")
TRAVERSALS = (
    "/../../../../etc/passwd",
    "/uploads/../../../../etc/passwd",
    "/uploads/..%2f..%2f..%2f..%2fetc%2fpasswd",
    "/uploads/%2e%2e/%2e%2e/%2e%2e/etc/passwd",
    "/uploads/..%252f..%252f..%252fetc%252fpasswd",
    "/uploads/%c0%ae%c0%ae/%c0%ae%c0%ae/etc/passwd",
    "/static/..%5c..%5c..%5cetc%5cpasswd",
    "/.git/config",
    "/.env",
)
# Were one to reach the database as a command, the answer would come later than a visitor waits.
SLEEPS = ("'; SELECT pg_sleep(90); --", "' OR pg_sleep(90) IS NULL --", "x' UNION SELECT pg_sleep(90)::text --")
TEXTS = ("' OR '1'='1", "'; DROP TABLE users; --", "{{7*7}}", "${jndi:ldap://127.0.0.1/a}", "<script>alert(1)</script>")


@pytest.fixture
def visit(host, estate):
    return Visitor(host, estate)


@pytest.fixture
def stranger(hosts, estate, password):
    """Another user, without rights of staff, and a token; erased afterwards."""
    api_host, name = hosts.group("app")[0], f"verify-{uuid4().hex[:8]}"
    make_user(api_host, name, password)
    api = through(api_host, hosts, estate)
    token = api.login(name, password)
    yield User(name, password, claims(token)["sub"]), token
    api("/me", "DELETE", token)


@pytest.fixture
def token(hosts, estate, staff):
    """Of the checks' user, who is staff."""
    return through(hosts.group("app")[0], hosts, estate).login(staff.name, staff.password)


def test_private_paths_require_a_token(visit):
    """A01. In an address, where it would be logged, a token counts for nothing."""
    for path in PRIVATE:
        assert visit(path).status == 401, f"{path} answers {visit(path).status} to nobody"


def test_token_in_query_is_ignored(visit, token):
    """A01. Addresses are logged and shared."""
    assert visit("/me", token=token).status == 200, "a good token is refused, so this check proves nothing"
    for name in ("token", "access_token", "authorization"):
        assert visit(f"/me?{name}={token}").status == 401, f"a token is taken from ?{name}="


def test_objects_of_other_users_are_refused(visit, hosts, token, stranger):
    """A01. By its true id, on whichever host of the application, and without the rights of staff."""
    _, other = stranger
    mine = json.loads(visit("/workspaces", "POST", token, body={"name": f"mine {uuid4().hex}"}).text)
    stored = json.loads(visit("/uploads?name=a.txt", "POST", token, body={"mine": mine["id"]}).text)
    tries = range(3 * len(hosts.group("app")))
    owners = [visit(f"/uploads/{stored['id']}", token=token).status for _ in tries]
    assert set(owners) == {200}, f"its owner does not get an upload: {owners}"
    others = [visit(f"/uploads/{stored['id']}", token=other).status for _ in tries]
    assert set(others) == {404}, f"an upload is anybody's: {others}"
    assert mine["id"] not in visit("/workspaces", token=other).text, "workspaces are anybody's"
    assert mine["id"] not in visit("/me/export", token=other).text, "an export has another's data"
    assert visit("/debug/error", token=other).status == 403, "what is for staff is for everybody"


def test_path_traversal_is_refused(visit):
    """A01. Written plainly, encoded, encoded twice, and as no valid UTF-8."""
    for path in TRAVERSALS:
        answer = visit(path)
        assert answer.status in (400, 401, 404), f"{path} answers {answer.status}"
        assert "root:" not in answer.text and "[core]" not in answer.text, f"{path} shows a file of the host"


def test_injection_is_not_executed(visit):
    """A03. As a name, a password and a path; the database does not wait."""
    for text in SLEEPS:
        answers = [visit("/auth/login", "POST", body={"name": text, "password": text}).status]
        answers.append(visit(f"/statistics?{'x=' + text.replace(' ', '%20')}").status)
        assert set(answers) <= {200, 401, 422}, f"{text!r} gets {answers}"


def test_user_input_is_returned_unchanged(visit, token):
    """A03. Not run by the database, by a template or by a browser."""
    for text in TEXTS:
        made = visit("/workspaces", "POST", token, body={"name": text})
        assert made.status == 201, f"a workspace called {text!r} gets {made.status}"
    answer = visit("/workspaces", token=token)
    names = [one["name"] for one in json.loads(answer.text)]
    assert set(TEXTS) <= set(names), f"of {TEXTS} came back {names}"
    assert answer.headers["content-type"].startswith("application/json"), "a browser could take it for a page"
    assert visit("/statistics").status == 200


def test_headers_can_not_be_split(visit, http, host, estate):
    """A03. A line break that somebody wrote into an address starts no header of ours."""
    for path in ("/%0d%0aX-Split:%20yes", "/healthz?x=%0d%0aX-Split:%20yes", "/%E5%98%8D%E5%98%8AX-Split:%20yes"):
        assert "x-split" not in visit(path).headers, f"{path} writes a header"
        answer = http(host.address, path, name=estate.all.domain, tls=False)
        assert "x-split" not in answer.headers, f"the redirect of {path} writes a header"


def test_edge_is_no_open_proxy(visit):
    """A10. A request for another place, in each way to write one."""
    for target in (f"http://127.0.0.1:{ALIVE_PORT}/", "https://169.254.169.254/latest/meta-data/", "//evil.example/"):
        answer = visit("/", options=f"--request-target {target}")
        assert answer.status in (400, 404, 421), f"a request for {target} gets {answer.status}"


def test_error_pages_disclose_nothing(visit):
    """A05. Broken input is refused in the application's own words."""
    broken = visit("/auth/login", "POST", options="--data-binary '{{{' -H 'Content-Type: application/json'")
    assert broken.status in (400, 422), f"broken JSON gets {broken.status}"
    for word in ("Traceback", "site-packages", "sqlalchemy", "psycopg", 'File "'):
        assert word not in broken.text, f"the refusal of broken JSON shows {word}"

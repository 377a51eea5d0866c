"""Who may ask the application for what. Asked of every API host, through no edge."""

from uuid import uuid4

import pytest
from xteam_client import claims, forge, make_user, run_python, through

# Wrong passwords within a quarter of an hour that are let through.
GUESSES_OF_ACCOUNT, GUESSES_OF_ADDRESS = 10, 50
# Keys that are in documentation and examples; the first thing an attacker tries.
KNOWN_KEYS = ("", "secret", "changeme", "change-me", "your-secret-key", "your-secret-key-here", "supersecretkey", "dev")


@pytest.mark.group("app")
@pytest.mark.item("SEC-01")
def test_forged_tokens_are_refused(api, estate, staff, secret):
    genuine = api("/me", token=forge(secret(estate.app.SECRET_KEY.name), staff.id))
    assert genuine.status == 200, f"a token made with the true key is refused, so this check proves nothing: {genuine}"
    for key in KNOWN_KEYS:
        assert api("/me", token=forge(key, staff.id)).status == 401, f"a token signed with {key!r} is accepted"
    head, body, _ = forge("", staff.id).split(".")
    unsigned = "eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0"  # {"alg":"none","typ":"JWT"}
    for token in (f"{unsigned}.{body}.", f"{head}.{body}."):
        assert api("/me", token=token).status == 401, "an unsigned token is accepted"


@pytest.mark.group("app")
@pytest.mark.item("SEC-04")
def test_foreign_origins_are_refused(api, estate):
    allowed = estate.app.CORS_ALLOW_ORIGINS or (f"https://{estate.all.domain}",)
    asks = {"Access_Control_Request_Method": "GET"}
    for origin in allowed:
        granted = api("/me", "OPTIONS", Origin=origin, **asks).headers.get("access-control-allow-origin")
        assert granted == origin, f"our own origin {origin} is granted {granted}"
    for origin in ("https://evil.example", f"https://{estate.all.domain}.evil.example", "null"):
        for method in ("OPTIONS", "GET"):
            granted = api("/me", method, Origin=origin, **asks).headers.get("access-control-allow-origin")
            assert granted is None, f"{method} from {origin} is granted {granted}"


@pytest.mark.group("app")
@pytest.mark.item("SEC-06")
def test_foreign_methods_and_headers_are_refused(api, estate):
    origin = (estate.app.CORS_ALLOW_ORIGINS or (f"https://{estate.all.domain}",))[0]

    def preflight(method, headers):
        asks = {"Access_Control_Request_Method": method, "Access_Control_Request_Headers": headers}
        return api("/me", "OPTIONS", Origin=origin, **asks)

    good = preflight(estate.app.CORS_ALLOW_METHODS[0], ",".join(estate.app.CORS_ALLOW_HEADERS))
    assert good.status == 200, f"what is allowed is refused: {good.status} {good.text}"
    for method in {"PATCH", "TRACE", "CONNECT"} - set(estate.app.CORS_ALLOW_METHODS):
        assert preflight(method, "Authorization").status == 400, f"method {method} is allowed"
    assert preflight("GET", "X-Evil").status == 400, "header X-Evil is allowed"
    allowed = good.headers["access-control-allow-methods"].replace(" ", "").split(",")
    assert set(allowed) == set(estate.app.CORS_ALLOW_METHODS), f"allowed are {allowed}"


@pytest.mark.group("app")
@pytest.mark.item("SEC-12")
def test_foreign_host_names_are_refused(api):
    assert api("/statistics").status == 200
    for name in ("evil.example", f"{api.estate.all.domain}.evil.example", api.host.address):
        assert api("/statistics", Host=name).status == 400, f"the API answers to the name {name}"


@pytest.mark.group("app")
@pytest.mark.item("SEC-05")
def test_error_pages_show_no_code(api, token):
    answer = api("/debug/error", token=token)
    assert answer.status == 500, f"an error on purpose gives {answer.status}"
    for word in ("Traceback", "File ", "RuntimeError", "deliberate", "site-packages"):
        assert word not in answer.text, f"the error page shows {word!r}"
    assert answer.json()["request_id"] == answer.headers["x-request-id"]


# --- Tokens


@pytest.mark.group("app")
@pytest.mark.item("SEC-15", "APP-08")
def test_access_tokens_expire(estate, token):
    said = claims(token)
    minutes = (said["exp"] - said["iat"]) / 60
    assert minutes <= 30, f"a token lives {minutes:g} minutes"
    assert minutes == estate.app.ACCESS_TOKEN_EXPIRE_MINUTES, f"a token lives {minutes:g} minutes"


@pytest.mark.group("app")
@pytest.mark.item("SEC-09")
def test_token_is_revoked_by_logout(api, hosts, estate, staff):
    """On the host it was used on, and on every other one."""
    token = api.login(staff.name, staff.password)
    assert api("/me", token=token).status == 200
    assert api("/auth/logout", "POST", token).status == 204
    for other in hosts.group("app"):
        answer = through(other, hosts, estate)("/me", token=token)
        assert answer.status == 401, f"{other.name} accepts a token after logout: {answer.status}"


@pytest.fixture
def another(hosts, estate, password):
    """A token of another user, without rights of staff; erased afterwards."""
    api_host, name = hosts.group("app")[0], f"verify-{uuid4().hex[:8]}"
    make_user(api_host, name, password)
    api = through(api_host, hosts, estate)
    found = api.login(name, password)
    yield name, found
    api("/me", "DELETE", found)


@pytest.mark.group("app", first=True)
@pytest.mark.item("SEC-08", kind="wire")
def test_task_result_is_readable_by_its_owner_alone(api, token, another):
    """Whoever knows a task's number, staff among them, gets nothing of it."""
    _, other = another
    made = api("/tasks/ok", "POST", other)
    assert made.status == 202, f"no task can be asked for: {made.status} {made.text}"
    path = f"/tasks/{made.json()['id']}"
    assert api(path, token=other).status == 200, "its owner does not get it"
    assert api(path, token=token).status == 404, "a task's result is anybody's"


@pytest.mark.group("app", first=True)
@pytest.mark.item("SEC-08", kind="wire")
def test_unstorable_names_answer_400_or_422(api, token):
    """In addresses 400, in bodies 422, nowhere an error of the server."""
    for name in ("%00", "a%00.txt", "%1f", "..", "a%2fb", "%e2%80%ae", "x" * 300):
        answer = api(f"/uploads?name={name}", "POST", token, body={"a": "file"})
        assert answer.status == 400, f"POST /uploads?name={name[:20]} is {answer.status}"
    for path in ("/uploads/%00", "/tasks/%00", f"/tasks/{'x' * 300}"):
        assert api(path, token=token).status == 400, f"GET {path[:20]} is {api(path, token=token).status}"
    for path, body in (
        ("/workspaces", {"name": "a\0b"}), ("/auth/login", {"name": "a\0b", "password": "x"}),
        ("/auth/login", {"name": "a", "password": "\ud800"}), ("/tasks/ok", {"value": "\0"}),
    ):  # fmt: skip
        answer = api(path, "POST", token, body=body)
        assert answer.status == 422, f"POST {path} with {body} is {answer.status}"


@pytest.mark.group("app", first=True)
@pytest.mark.item("SEC-07", kind="wire")
def test_failed_logins_of_one_account_are_throttled_over_all_sources(host, hosts, estate, another, password):
    """Wrong passwords of one account are counted over all addresses, and those of one address over all accounts."""
    name, _ = another

    def attempt(api, account, word):
        return api("/auth/login", "POST", body={"name": account, "password": word}).status

    statuses = [attempt(through(host, hosts, estate), name, "wrong") for _ in range(GUESSES_OF_ACCOUNT + 1)]
    assert statuses[0] == 401 and statuses[-1] == 429, f"one account, an address each: {statuses}"
    assert attempt(through(host, hosts, estate), name, password) == 429, "the right password can be found by going on"
    one = through(host, hosts, estate)
    # Each guess costs the API a quarter of a second: most of them are written down instead.
    ahead = "from xteam.stores import count_login\n[count_login(str(n), %r) for n in range(%d)]\nprint('{}')"
    run_python(host, ahead % (one.caller, GUESSES_OF_ADDRESS - 1))
    statuses = [attempt(one, f"nobody-{uuid4().hex}", "wrong") for _ in range(2)]
    assert statuses == [401, 429], f"one address, an account each: {statuses}"
    fresh = attempt(through(host, hosts, estate), f"nobody-{uuid4().hex}", "wrong")
    assert fresh == 401, f"another address is refused too: {fresh}"

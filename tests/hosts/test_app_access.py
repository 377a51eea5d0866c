"""Who may ask the application for what. Asked of every API host, through no edge."""

import pytest
from xteam_client import claims, forge, through

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
def test_tokens_end_in_time(estate, token):
    said = claims(token)
    minutes = (said["exp"] - said["iat"]) / 60
    assert minutes <= 30, f"a token lives {minutes:g} minutes"
    assert minutes == estate.app.ACCESS_TOKEN_EXPIRE_MINUTES, f"a token lives {minutes:g} minutes"


@pytest.mark.group("app")
@pytest.mark.item("SEC-09")
def test_a_token_is_worth_nothing_after_logout(api, hosts, estate, staff):
    """On the host it was used on, and on every other one."""
    token = api.login(staff.name, staff.password)
    assert api("/me", token=token).status == 200
    assert api("/auth/logout", "POST", token).status == 204
    for other in hosts.group("app"):
        answer = through(other, hosts, estate)("/me", token=token)
        assert answer.status == 401, f"{other.name} accepts a token after logout: {answer.status}"

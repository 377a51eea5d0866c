"""The edge, as a browser, a stranger and an attacker see it."""

import gzip
import json
import re
from uuid import uuid4

import pytest
from edge_client import SERVED
from xteam_client import serving

from checklist.run import not_applicable
from xteam_infra.layers.app.needs import COLOURS
from xteam_infra.layers.edge import public
from xteam_infra.plan.needs import CA_PATH

# One by one: the controller is one client, whose requests they count.
pytestmark = [pytest.mark.group("edge"), pytest.mark.serial, pytest.mark.usefixtures("unlimited")]

CA = CA_PATH


@pytest.mark.item("SEC-03")
def test_plain_http_only_redirects(host, http, estate):
    for name in public.hosts(estate):
        answer = http(host.address, "/a/b?c=d", name=name, tls=False)
        assert answer.status == 308, f"http://{name} answers {answer.status}"
        assert answer.headers["location"] == f"https://{name}/a/b?c=d"


@pytest.mark.item("SEC-03")
def test_security_headers_are_sent(estate, browse):
    """Also on an error page, which is an attacker's favourite."""
    for path in ("/healthz", "/no-such-page"):
        headers = browse(path).headers
        age = re.search(r"max-age=(\d+)", headers.get("strict-transport-security", ""))
        assert age and int(age[1]) == estate.edge.edge_hsts_seconds, f"{path} tells browsers no HSTS"
        assert headers.get("x-content-type-options") == "nosniff", f"{path} lets browsers guess the type"
        for name in ("x-frame-options", "referrer-policy", "content-security-policy"):
            assert headers.get(name), f"{path} has no {name}"
        assert "server" not in headers, f"{path} says who serves it: {headers['server']}"


@pytest.mark.item("SEC-12")
def test_foreign_names_are_refused(host, http, browse):
    for name in ("evil.example", f"{uuid4().hex}.example", host.address):
        answer = browse(headers={"Host": name})
        assert answer.status == 421, f"a request for {name} gets {answer.status}"
        assert http(host.address, name=name, tls=False).status == 421, f"plain HTTP redirects to {name}"


@pytest.mark.item("INF-02")
def test_one_edge_holds_the_floating_address(hosts, http, estate, eventually):
    """Exactly one, and it answers there by the public name: now, or once a takeover that is under way is over."""
    floating = estate.edge.edge_floating_address
    if floating is None:
        not_applicable("edge_floating_address is None: clients are spread by other means")
    address = floating.partition("/")[0]

    def held():
        holding = [edge.name for edge in hosts.group("edge") if edge.run(f"ip -o address show to {address}").stdout]
        assert len(holding) == 1, f"{address} is held by {' and '.join(holding) or 'nobody'}"
        try:
            answer = http(address, "/healthz", name=estate.all.domain, verify=False, timeout=3)
        except OSError as error:
            raise AssertionError(f"{address} does not answer: {error}") from error
        assert str(answer.status) in SERVED, f"{address} answers {answer.status}"
        return True

    eventually(held, seconds=15, interval=1)


@pytest.mark.item("INF-10", "MON-06")
def test_edge_assigns_request_id(host, browse, eventually):
    """One the client brought is replaced; the answer has it, and so has one line of the journal."""
    mine = f"spoofed-{uuid4()}"
    path = f"/healthz?{uuid4().hex}"
    found = [browse(path, headers={"X-Request-ID": mine}).headers.get("x-request-id", "") for _ in range(2)]
    assert all(re.fullmatch(r"[0-9a-f-]{36}", name) for name in found), f"ids in the answers: {found}"
    assert mine not in found and found[0] != found[1], "the edge does not make the id of each request"
    grep = f"journalctl --unit haproxy.service --since -2min --output cat --grep {found[0]}"
    line = json.loads(eventually(lambda: host.run(f"{grep} | head -n 1").stdout, seconds=20))
    assert line["request_id"] == found[0] and line["path"].startswith("/healthz"), f"logged: {line}"
    assert line["client"] and line["status"] and line["method"] == "GET", f"logged: {line}"


def test_access_log_contains_no_query_string(host, browse, eventually):
    """People and programs put tokens into addresses."""
    token, agent = uuid4().hex, uuid4().hex
    browse(f"/healthz?token={token}", headers={"User-Agent": agent})
    grep = f"journalctl --unit haproxy.service --since -2min --output cat --grep {agent}"
    logged = eventually(lambda: host.run(grep).stdout, seconds=20)
    assert token not in logged, "the log has the request's query"


@pytest.mark.item("PERF-04")
def test_responses_are_compressed_on_request(browse):
    plain, packed = browse(), browse(headers={"Accept-Encoding": "gzip"})
    if plain.status != 200:
        pytest.fail(f"/healthz answers {plain.status}: nothing to compress")
    assert packed.headers.get("content-encoding") == "gzip", "the edge does not compress JSON"
    assert gzip.decompress(packed.body)
    assert "content-encoding" not in plain.headers, "compressed for a client that did not ask for it"


@pytest.mark.item("PERF-08", "INF-08", kind="wire")
def test_only_static_assets_are_cacheable(estate, browse):
    """Files whose names say what is in them, for long; no answer else, and no file that is not there."""
    below = estate.edge.edge_static_path
    if below is None:
        not_applicable("edge_static_path is None: the application has no assets")
    listed = browse("/assets").json()
    assert listed, "/assets lists nothing, so this check proves nothing"
    wanted = f"public, max-age={estate.edge.edge_static_max_age_seconds}, immutable"
    for path in listed.values():
        asset = browse(path, headers={"Accept-Encoding": "gzip"})
        assert asset.status == 200 and asset.headers["cache-control"] == wanted, f"{path}: {asset.headers}"
        again = browse(path, headers={"If-None-Match": asset.headers["etag"]})
        assert again.status == 304, f"{path} is sent again to who has it: {again.status}"
    for path in ("/healthz", "/assets", "/me", f"{below}no.0123456789ab.css"):
        kept = browse(path).headers.get("cache-control")
        assert kept == "no-store", f"{path} may be kept: {kept}"


@pytest.mark.item("INF-04", "MON-09")
def test_readiness_and_metrics_are_not_public(estate, browse):
    assert browse(estate.app.app_live_path).status == 200, "the world can't see whether we are up"
    hidden = [estate.app.app_ready_path, "/metrics"]
    disguised = [f"/{path}" for path in hidden] + [f"{path}/" for path in hidden]
    encoded = [f"/%{ord(path[1]):02x}{path[2:]}" for path in hidden]
    for path in hidden + disguised + encoded:
        assert browse(path).status == 404, f"the world can ask for {path}"


@pytest.mark.item("INF-04")
def test_only_ready_hosts_get_requests(host, estate, eventually):
    """HAProxy says itself what its last look at each host's readiness gave."""

    def ready():
        rows = stat(host)
        for machine in estate.members("app"):
            known = [rows.get(f"{machine.name}-{colour}") for colour in COLOURS]
            assert all(known), f"the edge does not know {machine.name}"
            # The star: it is looking again just now.
            looks = [f"{row['status']} {row['check_status'].removeprefix('* ')} {row['check_code']}" for row in known]
            # One instance serves, the other one does not run.
            assert looks.count("UP L7OK 200") == 1, f"{machine.name} is {' and '.join(looks)}"
        return True

    # A look may take five seconds, and then the next one.
    eventually(ready, seconds=30)


@pytest.mark.item("INF-02", kind="wire")
def test_requests_reach_every_application_host(host, estate, browse, eventually):
    applications = [machine.name for machine in estate.members("app")]
    if len(applications) < 2:
        not_applicable("one application host: nothing to balance")

    def requests(name):
        return sum(int(stat(host)[f"{name}-{colour}"]["stot"]) for colour in COLOURS)

    def reached():
        before = {name: requests(name) for name in applications}
        for _ in applications:
            browse()
        return all(requests(name) > before[name] for name in applications)

    # Who has one request less gets the next one, whoever else asks meanwhile.
    eventually(reached, seconds=30, interval=1)


def stat(host):
    """HAProxy's statistics of the application's servers, by name."""
    lines = host.check_output("xteam-edge show stat").lstrip("# ").splitlines()
    names = lines[0].split(",")
    rows = [dict(zip(names, line.split(","), strict=False)) for line in lines[1:] if line.startswith("app,")]
    return {row["svname"]: row for row in rows}


def test_edge_verifies_application_certificate(host, hosts, estate):
    """The hop behind the edge is TLS too: a server without the internal CA's certificate gets no request."""
    for machine in estate.members("app"):
        name, port = estate.fqdn(machine.name), serving(hosts[machine.name], estate)[1]
        shown = host.run(
            f"openssl s_client -connect {machine.address}:{port} -servername {name}"
            f" -verify_hostname {name} -verify_return_error -CAfile {CA} </dev/null 2>&1"
        ).stdout
        assert "Verification: OK" in shown, f"{machine.name} does not prove its name"


@pytest.mark.item("SEC-14")
def test_websockets_pass(browse):
    """The edge's part: the upgrade reaches the application, which asks for the token."""
    headers = {
        "Connection": "Upgrade",
        "Upgrade": "websocket",
        "Sec-WebSocket-Key": "MDEyMzQ1Njc4OWFiY2RlZg==",
        "Sec-WebSocket-Version": "13",
    }
    answer = browse("/ws", headers=headers)
    assert answer.status == 101, f"the upgrade gets {answer.status}"


@pytest.mark.item("TST-02")
def test_unsafe_http_methods_are_refused(browse):
    for method in ("TRACE", "TRACK"):
        status = browse(method=method).status
        assert status in (405, 501), f"{method} gets {status}"


@pytest.mark.item("TST-02")
def test_smuggled_requests_are_refused(host, estate, eventually):
    """A request whose end two servers could see at different places."""
    disguises = (
        r"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /smuggled HTTP/1.1\r\n",
        r"Content-Length: 5\r\nContent-Length: 6\r\n\r\nabcdef",
        r"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
        r"Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
    )
    for disguise in disguises:
        request = rf"POST /healthz HTTP/1.1\r\nHost: {estate.all.domain}\r\n{disguise}"
        connect = f"openssl s_client -quiet -no_ign_eof -connect 127.0.0.1:443 -servername {estate.all.domain}"
        command = f"(printf '{request}'; sleep 0.5) | timeout 5 {connect} 2>/dev/null"
        # None: it had hung up before it was connected.
        statuses = eventually(lambda c=command: re.findall(r"HTTP/1.1 (\d+)", host.run(c).stdout), seconds=20)
        assert statuses in (["400"], ["411"], ["422"], ["501"]), f"{disguise!r} gets {statuses}"

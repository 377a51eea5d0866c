"""What the edge lets nobody do: ask too often, guess passwords fast, send more than is allowed.

HAProxy estimates the last minute from the present count and a share of the one before, so a count may be a little less
than what was asked: whoever is to be refused goes on asking until he is.
"""

import json
import re

import pytest
from edge_client import SERVED, anybody, ask_often, curl, known, url

from checklist.run import not_applicable

# One by one: the edges count together.
pytestmark = [pytest.mark.group("edge"), pytest.mark.serial, pytest.mark.usefixtures("unlimited")]

# More than so many requests are not sent for real: the counter is set ahead instead.
SENT = 600


@pytest.mark.item("SEC-07", "SEC-08")
def test_rate_limit_answers_429(host, estate, eventually):
    """Beyond N requests within a minute he is refused and told for how long; another client is unaffected."""
    limit, busy = estate.app.rate_limit_requests_per_minute, anybody()
    assert estate.app.rate_limit_enabled, "rate_limit_enabled is False in group_data/app.py"
    ahead = max(0, limit - SENT)
    if ahead:
        host.check_output(f"xteam-edge set table clients-{host.name} key {busy} data.http_req_rate {ahead}")
    answers = ask_often(host, estate, busy, limit - ahead)
    assert "429" not in answers, f"refused before the limit of {limit} requests: {answers}"
    assert set(answers) <= SERVED, f"healthz answers {answers}"
    eventually(lambda: "429" in ask_often(host, estate, busy, 1), interval=0)
    refused = host.run(f"{curl(estate, busy)} --include {url(estate)}").stdout
    assert " 429" in refused.splitlines()[0], f"a request beyond the limit gets {refused.splitlines()[0]}"
    assert re.search(r"(?mi)^retry-after: \d+", refused), "429 does not say when to come back"
    assert json.loads(refused.splitlines()[-1])["detail"], "429 is no JSON"
    assert set(ask_often(host, estate, anybody(), 1)) <= SERVED, "another client is refused too"


@pytest.mark.item("SEC-07")
def test_login_rate_limit_answers_429(host, estate, eventually):
    """A strict path has a limit of its own, in whatever disguise; the client's other requests are unaffected."""
    limit = estate.edge.edge_auth_requests_per_minute
    for path in estate.edge.edge_auth_rate_limited_paths:
        busy, disguised = anybody(), f"/%{ord(path[1]):02x}{path[2:]}"
        before = ask_often(host, estate, busy, limit - 1, path) + ask_often(host, estate, busy, 1, disguised)
        assert "429" not in before, f"{path}: refused before the limit of {limit} requests: {before}"
        for asked in (path, disguised):
            eventually(lambda busy=busy, asked=asked: "429" in ask_often(host, estate, busy, 1, asked), interval=0)
        assert set(ask_often(host, estate, busy, 1)) <= SERVED, "its other requests are refused too"


@pytest.mark.item("SEC-07")
def test_edges_share_rate_limit_counters(host, hosts, estate, eventually):
    """What a client has asked of another edge counts here."""
    others = [edge for edge in hosts.group("edge") if edge.name != host.name]
    if not others:
        not_applicable("one edge: it counts all there is")
    limit, busy = estate.app.rate_limit_requests_per_minute, anybody()
    for other in others:
        part = -(-limit // len(others))
        other.check_output(f"xteam-edge set table clients-{other.name} key {busy} data.http_req_rate {part}")
    eventually(lambda: "429" in ask_often(host, estate, busy, 1), seconds=10, interval=1)


@pytest.mark.item("SEC-07")
def test_reload_keeps_rate_limit_counters(host, estate, eventually):
    """Else whoever guesses passwords starts anew whenever somebody deploys."""
    client, times = anybody(), 20
    ask_often(host, estate, client, times)
    assert known(host, host, client) > times / 2, "the edge does not count, so this check proves nothing"
    before = process(host)
    host.check_output("systemctl reload haproxy.service")
    assert process(host) != before, "a reload is over before the new process serves"
    eventually(lambda: known(host, host, client) > times / 2, seconds=30)


def process(host):
    """The process id of the HAProxy that serves now."""
    return re.search(r"(?m)^Pid: (\d+)", host.check_output("xteam-edge show info"))[1]


@pytest.mark.item("APP-06")
def test_large_request_body_answers_413(host, estate, browse):
    """Announced: refused before it is sent. At the limit: passed on."""
    limit = estate.app.max_upload_size_mb * 1024 * 1024
    above = browse(method="POST", headers={"Content-Length": str(limit + 1024 * 1024)})
    assert above.status == 413, f"a body of more than {estate.app.max_upload_size_mb} MiB gets {above.status}"
    size = min(limit, 32 * 1024 * 1024)
    send = f"head -c {size} /dev/zero | {curl(estate, anybody())} --data-binary @- --output /dev/null"
    status = host.run(f"{send} --write-out '%{{http_code}}' {url(estate)}").stdout
    assert status not in ("000", "411", "413", "429"), f"a body of {size} bytes gets {status}"


def test_chunked_request_body_is_limited(host, estate):
    """Else the limit could be walked around; over HTTP/1.1 and HTTP/2."""
    for version in ("--http1.1", "--http2"):
        send = f"echo hello | {curl(estate, anybody())} {version} --upload-file - --output /dev/null"
        status = host.run(f"{send} --write-out '%{{http_code}}' {url(estate)}").stdout
        assert status == "411", f"a body of unknown length gets {status} ({version})"

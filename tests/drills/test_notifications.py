"""Drills on when a release may begin, and on who is told of it: by a webhook of the drill's own, on the controller."""

import json
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_network
from pathlib import Path
from threading import Thread
from uuid import uuid4

import pytest

from tests.drills.harness.releases import serving
from tests.drills.test_releases_refused import LOCK, WRONG
from xteam_infra.secrets import open_store

pytestmark = pytest.mark.group("app", first=True)

NAME = f"drill/webhook-{uuid4().hex[:8]}"
SETTING = f"""from xteam_infra.secrets import Secret
__all__ = ["deploy_webhook"]
deploy_webhook = Secret("{NAME}", generate="never")
"""


class Receiver(ThreadingHTTPServer):
    """Keeps what it is told, and when."""

    def __init__(self, address):
        super().__init__((address, 0), Handler)
        self.told, self.path = [], f"/{uuid4().hex}"
        self.url = f"http://{address}:{self.server_port}{self.path}"
        Thread(target=self.serve_forever, daemon=True).start()

    def events(self):
        return [said["event"] for said, _ in self.told]

    def close(self):
        """Nobody listens from now on."""
        self.shutdown()
        self.server_close()


class Handler(BaseHTTPRequestHandler):
    def do_POST(self):
        said = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.path == self.server.path:
            self.server.told.append((said, datetime.now(UTC)))
        self.send_response(204 if self.path == self.server.path else 404)
        self.end_headers()

    def log_message(self, *_):
        pass


@pytest.fixture
def webhook(estate, monkeypatch):
    """What is told to the webhook, on this controller's own address."""
    address = str(ip_network(estate.all.management_networks[0]).network_address)
    monkeypatch.setenv("no_proxy", address)
    receiver, store = Receiver(address), open_store(estate.all.secrets_store)
    store.replace(NAME, receiver.url)
    yield receiver
    store.remove(NAME)
    receiver.close()


@pytest.fixture
def told(webhook, deploys, estate, tmp_path):
    """Run a deploy that has the webhook: `status, said = told("release", version=...)`."""
    group_data = tmp_path / "group_data"
    group_data.mkdir()
    (group_data / f"{Path(estate.inventory).stem}.py").write_text(SETTING)

    def run(name, **data):
        status, said = deploys(name, "--group-data", str(group_data), **data)
        assert webhook.url not in said and webhook.path not in said, "the webhook's address is shown: it is a secret"
        return status, said

    return run


def journalled(host):
    """How often a deployment was written down on the host."""
    return host.check_output("journalctl -t xteam-deploy -o cat | wc -l")


@pytest.mark.item("PRE-07")
def test_release_outside_deploy_window_is_refused(host, hosts, versions, home, told, webhook, figures):
    """Nothing is touched, nobody is told; when the next window begins is said, and what to do if it can't wait."""
    before, written = serving(hosts), journalled(host)
    opens = datetime.now(UTC) + timedelta(days=2)
    window, version = json.dumps([f"{opens:%a} 02:00-05:00"]), versions.good()
    status, said = told("release", version=version, deploy_window=window)
    assert status != 0, "a release outside of the window was made"
    assert f"from {opens:%a %d %b} 02:00 UTC, when the next window begins" in " ".join(said.split()), said[-2000:]
    assert "--data outside_window=true" in said, said[-2000:]
    assert (serving(hosts), journalled(host), webhook.events()) == (before, written, [])
    assert host.run(f"cat {LOCK}").stdout.strip() == "", "the lock was taken"


@pytest.mark.item("PRE-08", "POST-10")
def test_webhook_is_notified_of_release_and_rollback(host, hosts, versions, home, told, webhook, figures):
    """Before anything changes and when it is done; a webhook that is down by then is named, and stops nothing."""
    before, version = serving(hosts), versions.good()
    closed = json.dumps([f"{datetime.now(UTC) + timedelta(days=2):%a} 02:00-05:00"])
    status, said = told("release", version=version, deploy_window=closed, outside_window="true")
    assert status == 0, said[-3000:]
    assert webhook.events() == ["begins", "succeeded"], webhook.told
    (begins, told_at), (succeeded, _) = webhook.told
    (release,) = set(serving(hosts).values())
    for one in (begins, succeeded):
        assert (one["verb"], one["version"], one["release"]) == ("release", version, release), one
        assert one["by"] in one["text"] and one["users"], one
    arrived = float(host.check_output(f"stat -c %.3Z /opt/xteam/releases/{release}/venv/pyvenv.cfg"))
    figures["seconds_from_announcement_to_change"] = round(arrived - told_at.timestamp(), 1)
    assert arrived > told_at.timestamp(), "the release was on the host before anybody was told"
    webhook.close()
    status, said = told("rollback")
    assert status == 0, said[-3000:]
    for event in ("begins", "succeeded"):
        assert f"the webhook was not notified ({event})" in said, said[-3000:]
    assert serving(hosts) == before, f"{before} became {serving(hosts)}"


@pytest.mark.item("PRE-08", "POST-10")
def test_webhook_is_notified_of_failed_release(hosts, versions, home, told, webhook):
    """One whose API dies: what failed is told, and that the version from before is in use."""
    before = serving(hosts)
    edits, reason = WRONG["ends-at-once"]
    status, said = told("release", version=versions("announced", *edits))
    assert status != 0 and reason in said, said[-3000:]
    assert webhook.events() == ["begins", "failed"], webhook.told
    failed, _ = webhook.told[-1]
    assert failed["reason"].startswith("Run the API on") and failed["reason"] in failed["text"], failed
    assert "from before" in failed["users"], failed
    assert serving(hosts) == before, f"{before} became {serving(hosts)}"

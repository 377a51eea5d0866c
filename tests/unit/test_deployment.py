"""Releases and rollbacks without a host: what is built and recorded, when it is allowed, the lock."""

import json
import re
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread

import pytest

from xteam_infra.errors import SettingsError
from xteam_infra.layers.app import deploy_lock as deployment
from xteam_infra.layers.app.deploy_lock import LEASE, LOCK, AutomaticRollback, post_webhook
from xteam_infra.layers.app.releases import Deployment, begin_release, begin_rollback, record_file, source_of
from xteam_infra.release import Release, ReleaseError
from xteam_infra.release.record import Entry, Record, read, write
from xteam_infra.secrets import Secret
from xteam_infra.settings.window import following, inside, parse

GIT = "https://git.example.com/xteam.git@v1"


def entry(name):
    return Entry(id=name * 12, version=f"v{name}", source=GIT)


# --- Versions


@pytest.mark.parametrize(
    ("source", "version", "wanted"),
    [
        (GIT, "v2", "https://git.example.com/xteam.git@v2"),
        ("https://git.example.com/xteam.git", "v2", "https://git.example.com/xteam.git@v2"),
        ("xteam==1.0", "2.0", "xteam==2.0"),
        ("examples/xteam", "xteam==2.0", "xteam==2.0"),
        ("git@example.com:xteam.git@v1", "v2", "git@example.com:xteam.git@v2"),
        (f"{GIT}#subdirectory=api", "v2", "https://git.example.com/xteam.git@v2#subdirectory=api"),
        ("examples/xteam", "dist/xteam-2.whl", "dist/xteam-2.whl"),
        ("examples/xteam", "file:///srv/xteam.git@v2", "file:///srv/xteam.git@v2"),
    ],
)
def test_a_version_names_what_is_built(source, version, wanted):
    assert source_of(version, source) == wanted


def test_unknown_versions_are_refused():
    with pytest.raises(ReleaseError, match=r"unknown version v2: app_source is examples/xteam"):
        source_of("v2", "examples/xteam")


def test_a_release_without_a_version_is_refused(ha):
    with pytest.raises(SettingsError, match="version"):
        begin_release(ha.read(), None)


# --- The record


def test_a_rollback_goes_back_one_by_one(tmp_path):
    record = Record()
    for name in "abc":
        record = record.released(entry(name))
    assert record.wanted == entry("c") and record.before == entry("b")
    back = record.rolled_back()
    assert back.wanted == entry("b") and back.before == entry("a")
    file = tmp_path / "releases" / "prod.json"
    write(file, back)
    assert read(file) == back


def test_the_same_release_again_is_no_other_one():
    record = Record().released(entry("a")).released(entry("b")).released(entry("b"))
    assert [one.version for one in record.releases] == ["va", "vb"]


def test_a_host_may_miss_one_release_and_not_two():
    first, second = entry("a").id, entry("b").id
    record = Record().released(entry("a")).released(entry("b"))
    assert record.reached(["app1"], ["app2"], "").missed == {}, "what it has is not known"
    record = record.reached(["app1"], ["app2"], first)
    assert record.missed == {"app2": first}
    assert record.too_late(["app2"]) == {} and record.released(entry("b")).too_late(["app2"]) == {}
    third = record.released(entry("c"))
    assert third.too_late(["app2"]) == {"app2": first} and third.too_late([]) == {}
    assert third.reached(["app1"], ["app2"], second).missed == {"app2": first}, "it has the one from before it went"
    assert third.reached(["app1", "app2"]).missed == {}
    assert record.rolled_back().reached(["app1"], ["app2"], second).missed == {}, "what is wanted again it has"


def test_a_damaged_record_is_refused(tmp_path):
    file = tmp_path / "prod.json"
    file.write_text('{"releases": [{"id": "a"')
    with pytest.raises(ReleaseError, match="version control"):
        read(file)


def test_nothing_to_go_back_to(ha, tmp_path):
    ha.own["app_release_directory"] = str(tmp_path)
    estate = ha.read()
    with pytest.raises(ReleaseError, match="nothing to go back to"):
        begin_rollback(estate)
    write(record_file(estate), Record().released(entry("a")))
    with pytest.raises(ReleaseError, match="nothing to go back to"):
        begin_rollback(estate)


def test_a_failure_leads_back_to_one_release(ha, tmp_path):
    """To what each host had; after an interrupted release had left two, to the one that is declared."""
    ha.own["app_release_directory"] = str(tmp_path)
    estate = ha.read()
    old, new, other = (entry(name) for name in "abc")
    run = Deployment(estate, "release", other, Record())
    write(record_file(estate), Record().released(old))
    way = AutomaticRollback(run, ("app1", "app2", "app3"))
    way.before = {"app1": new.id, "app2": new.id, "app3": ""}
    assert way.releases() == {"app1": new.id, "app2": new.id}, "the record is behind: nobody asked for its release"
    way.before = {"app1": new.id, "app2": old.id, "app3": ""}
    assert way.releases() == {"app1": old.id, "app2": old.id}
    write(record_file(estate), Record().released(other))
    assert way.releases() == {"app1": new.id, "app2": old.id}, "the declared one is on no host"


def test_a_changed_archive_is_refused(tmp_path):
    (tmp_path / "abc.tar.gz").write_bytes(b"not what was built")
    with pytest.raises(ReleaseError, match="SHA-256"):
        Release.known("abc", "0" * 64, "examples/xteam", tmp_path).fetched()


# --- The window


def test_windows():
    monday = datetime(2026, 11, 23, 10, 30, tzinfo=UTC)
    assert inside(("Mon-Fri 09:00-16:00",), monday)
    assert inside(("Sat-Mon 09:00-16:00",), monday), "over the end of the week"
    assert not inside(("Tue 09:00-16:00", "Mon 10:31-12:00"), monday)
    assert not inside(("Mon 09:00-10:30",), monday), "the end is outside"


def test_the_next_window():
    monday = datetime(2026, 11, 23, 10, 30, tzinfo=UTC)
    assert following(("Mon-Fri 09:00-16:00",), monday) == datetime(2026, 11, 24, 9, tzinfo=UTC), "one is open"
    assert following(("Sat 02:00-05:00", "Wed 22:00-23:00"), monday) == datetime(2026, 11, 25, 22, tzinfo=UTC)
    assert following(("Mon 09:00-10:00",), monday) == datetime(2026, 11, 30, 9, tzinfo=UTC), "in a week"
    assert following(("Mon 11:00-12:00",), monday) == datetime(2026, 11, 23, 11, tzinfo=UTC), "today"


def test_outside_the_window_it_is_said_when_the_next_one_begins(ha):
    tomorrow = datetime.now(UTC) + timedelta(days=1)
    ha.own["deploy_window"] = (f"{tomorrow:%a} 00:00-00:01",)
    with pytest.raises(SettingsError, match=rf"from {tomorrow:%a %d %b} 00:00 UTC.*--data outside_window=true"):
        begin_release(ha.read(), "v2")


@pytest.mark.parametrize(
    "text", ["always", "Mon", "Mon 9:00-10:00", "Mon 10:00-09:00", "Mit 09:00-10:00", "Mon 25:00-26:00"]
)
def test_windows_that_are_none(text):
    with pytest.raises(ValueError, match=r"Tue-Thu 09:00-16:00"):
        parse(text)


def test_a_window_is_checked_with_the_settings(ha):
    ha.own["deploy_window"] = ("never",)
    with pytest.raises(SettingsError, match=r"deploy_window\n.*\n.*'never' is not"):
        ha.read()


# --- The lock


@pytest.fixture
def lease(tmp_path):
    """Run the lease script as a host does: `lease("take", "ada", 60)`."""
    script = LEASE.format(lock=tmp_path / "lock")

    def run(action, owner, seconds=60):
        words = [sys.executable, "-c", script, action, owner, f"release by {owner}", str(seconds)]
        return subprocess.run(words, capture_output=True, text=True)

    return run


def test_the_lock_is_one_persons(lease):
    assert lease("take", "ada").returncode == 0
    assert lease("take", "ada").returncode == 0, "who has it may take it again"
    refused = lease("take", "bob")
    assert refused.returncode == 1
    assert re.search(r"release by ada, by ada. Its lock expires in \d+ s", refused.stderr)
    assert lease("renew", "ada").returncode == 0
    assert lease("drop", "bob").returncode == 0
    assert lease("take", "bob").returncode == 1, "who has not got it can't give it back"
    assert lease("drop", "ada").returncode == 0
    assert lease("take", "bob").returncode == 0


def test_an_expired_lock_is_taken_over(lease):
    lease("take", "ada", -1)
    taken = lease("take", "bob")
    assert taken.returncode == 0 and "expired lock of ada" in taken.stdout
    assert lease("renew", "ada").returncode == 1, "the one before must not get it back by renewing"


def test_others_see_the_lock_and_leave_it(lease):
    """What deploys/app.py asks: the wanted release must not change under a release that is under way."""
    assert lease("look", "").returncode == 0, "nobody has it"
    lease("take", "ada")
    seen = lease("look", "")
    assert seen.returncode == 1 and "release by ada" in seen.stderr
    assert lease("renew", "ada").returncode == 0, "looking has not changed it"
    lease("take", "ada", -1)
    assert lease("look", "").returncode == 0, "expired"


def test_the_lock_is_taken_on_every_host_or_on_none(monkeypatch):
    """A run without the first host must meet the lock of one with it, and the other way round."""
    asked = []

    def on(where, action, show=False):
        asked.append((where, action))
        return (where, action) != ("app2", "take")

    monkeypatch.setattr(deployment, "_lock_hosts", lambda _: ["app1", "app2"])
    monkeypatch.setattr(deployment, "_lease", lambda action, *_: action)
    monkeypatch.setattr(deployment, "on", on)
    assert not deployment._take(None, None, None, 60)
    assert asked == [("app1", "take"), ("app2", "take"), ("app1", "drop")]


def test_the_lock_outlives_a_restart_of_the_host():
    assert LOCK.startswith("/var/lib/")


# --- The webhook


@pytest.fixture
def receiver():
    """What arrives at a webhook, and its address."""
    got = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            got.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(500 if self.path == "/broken" else 204)
            self.end_headers()

        def log_message(self, *_):
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    Thread(target=server.serve_forever, daemon=True).start()
    yield got, f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def told(ha, monkeypatch, address, event="begins", reason=""):
    ha.own["deploy_webhook"] = Secret("app/DEPLOY_WEBHOOK", generate="never")
    ha.store.write_text(json.dumps({"app/DEPLOY_WEBHOOK": address}))
    ha.store.chmod(0o600)
    monkeypatch.setattr("xteam_infra.layers.app.deploy_lock.secret", lambda _: address)
    post_webhook(Deployment(ha.read(), "release", entry("a"), Record()), event, reason)


def test_the_webhook_is_told(ha, monkeypatch, receiver):
    got, address = receiver
    told(ha, monkeypatch, f"{address}/token")
    (said,) = got
    assert said["event"] == "begins" and said["version"] == "va" and said["release"] == "a" * 12
    assert re.match(r"release of va \(a{12}\) on xteam.test: begins \(by .+\)", said["text"])


def test_the_webhook_is_told_what_failed(ha, monkeypatch, receiver):
    got, address = receiver
    told(ha, monkeypatch, f"{address}/token", "failed", "Run the API on app1, on app1")
    (said,) = got
    assert said["reason"] == "Run the API on app1, on app1" and f"failed at: {said['reason']} (by" in said["text"]
    assert "from before is in use" in said["users"]


@pytest.mark.parametrize("path", ["/broken", None])
def test_a_webhook_that_fails_stops_nothing_and_shows_no_address(ha, monkeypatch, receiver, caplog, path):
    """The address holds a token, so a warning must not hold the address."""
    _, address = receiver
    told(ha, monkeypatch, f"{address}{path}" if path else "http://127.0.0.1:1/token")
    assert "the webhook was not notified (begins)" in caplog.text
    assert "127.0.0.1" not in caplog.text and "token" not in caplog.text


@pytest.mark.parametrize(("address", "found"), [(None, "nothing"), ("hooks.example.com", "no http or https address")])
def test_a_webhook_without_address_is_refused(ha, address, found):
    ha.own["deploy_webhook"] = Secret("app/DEPLOY_WEBHOOK", generate="never")
    ha.store.write_text(json.dumps({"app/DEPLOY_WEBHOOK": address} if address else {}))
    ha.store.chmod(0o600)
    assert found in ha.problems()["app/DEPLOY_WEBHOOK (deploy_webhook)"]


def test_no_webhook_nobody_told(ha):
    assert ha.read().app.deploy_webhook is None
    post_webhook(Deployment(ha.read(), "release", entry("a"), Record()), "begins")

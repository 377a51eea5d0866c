"""xteam-switch on a host: which instance it starts, tries, keeps and stops, with instances that really answer by TLS.

systemctl, journalctl, ss and what tries a release are stand-ins; a release's own requests are tried on lab hosts.
"""

import json
import ssl
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from host_programs import Host

from xteam_infra.pki.authority import Authority, make_authority
from xteam_infra.pki.leaf import Subject

UNITS = """sh:state={root}/units
unit=; for word; do case $word in *.service) unit=$word;; esac; done
case "$1 $*" in
    "start "*) echo active > "$state/$unit"; echo "$1 $unit" >> {root}/done ;;
    "stop "*) echo inactive > "$state/$unit"; echo "$1 $unit" >> {root}/done ;;
    "restart "*) echo "$1 $unit" >> {root}/done ;;
    "enable "*) echo enabled > "$state/$unit.file" ;;
    "disable "*) echo disabled > "$state/$unit.file" ;;
    *ActiveState*) cat "$state/$unit" ;;
    *UnitFileState*) cat "$state/$unit.file" ;;
    *NRestarts*) cat "$state/restarts" ;;
    *MainPID*) echo 0 ;;
    *InvocationID*) echo 0123 ;;
    "list-units "*) echo 'xteam-worker@1.service loaded' ;;
esac"""


class Ready(BaseHTTPRequestHandler):
    """Answers a readiness check as the server says."""

    def do_GET(self):
        self.server.asked.append(self.headers["X-Xteam-Probe"])
        self.send_response(self.server.status)
        self.end_headers()
        self.wfile.write(b"the database is away" if self.server.status != 200 else b"ready")

    def log_message(self, *_):
        pass


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """What answers on the port of both instances."""
    directory = tmp_path_factory.mktemp("pki")
    authority = Authority(make_authority())
    leaf = authority.issue(Subject("app1", ("localhost",), ("127.0.0.1",)), 90)
    (directory / "ca.crt").write_text(authority.pem)
    (directory / "leaf.pem").write_text(leaf.certificate + leaf.key)
    made = ThreadingHTTPServer(("127.0.0.1", 0), Ready)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(directory / "leaf.pem")
    made.socket = context.wrap_socket(made.socket, server_side=True)
    made.asked, made.status, made.ca = [], 200, str(directory / "ca.crt")
    threading.Thread(target=made.serve_forever, daemon=True).start()
    yield made
    made.shutdown()


@pytest.fixture
def host(tmp_path, monkeypatch, server):
    server.asked.clear()
    server.status = 200
    monkeypatch.setattr("os.geteuid", lambda: 0)
    monkeypatch.setattr("shutil.chown", lambda *_: None)
    with Host(tmp_path) as made:
        port = server.server_address[1]
        made.settings = {
            "address": "127.0.0.1",
            "ca": server.ca,
            "drain_seconds": 0,
            "drained": f"{tmp_path}/drained",
            "edges": [],
            "environment": f"{tmp_path}/etc/xteam/app.env",
            "group": "xteam",
            "log_errors_allowed": 0,
            "ports": {"blue": port, "green": port},
            "ready_path": "/readyz",
            "ready_seconds": 1,
            "releases": f"{tmp_path}/releases",
            "root": f"{tmp_path}/root",
            "server_name": "app1.xteam.internal",
            "serves": True,
            "switched": f"{tmp_path}/var/switched.json",
        }
        made.file("/etc/xteam/switch.json", made.settings)
        made.file("/etc/xteam/app.env", "OF=new\n")
        made.file("/run/lock/xteam")
        (tmp_path / "root").mkdir()
        for name in ("blue", "green"):
            made.file(f"/units/xteam-api@{name}.service", "inactive\n")
            made.file(f"/units/xteam-api@{name}.service.file", "disabled\n")
        made.file("/units/restarts", "0\n")
        for name in ("old", "new"):
            made.file(f"/releases/{name}/venv/bin/python")
        made.program("systemctl", ("", UNITS.format(root=tmp_path)))
        made.program("journalctl", ("", "its last line"))
        made.program("ss")
        made.program("xteam-smoke")
        made.program("xteam-log-errors")
        made.done = lambda: _done(tmp_path / "done")
        yield made


def _done(path):
    """What was done to units since the last time this was asked."""
    found = path.read_text().splitlines() if path.exists() else []
    path.write_text("")
    return [one.replace("xteam-api@", "").replace(".service", "") for one in found]


def run(host, *words):
    return host.main("xteam_switch.__main__", *words)


def shown(host, capsys):
    """{instance: (state, release)}"""
    capsys.readouterr()
    assert run(host, "status") == 0
    rows = [line.split() for line in capsys.readouterr().out.splitlines()]
    return {name: (state, release) for name, _, state, release in rows}


@pytest.mark.parametrize("words", [(), ("switch",), ("status", "now"), ("roll", "new")])
def test_without_its_words_it_changes_nothing(host, capsys, words):
    with pytest.raises(SystemExit) as ended:
        run(host, *words)
    assert ended.value.code == 2 and "usage: xteam-switch" in capsys.readouterr().err
    assert not host.calls()


def test_only_root_may(host, monkeypatch, capsys):
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    with pytest.raises(SystemExit):
        run(host, "status")
    assert "run this as root" in capsys.readouterr().err


def test_the_instances_take_turns(host, server, capsys):
    assert run(host, "switch", "old") == 0
    assert shown(host, capsys) == {"blue": ("serves", "old"), "green": ("stopped", "-")}
    assert not host.calls("xteam-smoke"), "the first release has nobody to compare with"
    assert "xteam-switch" in server.asked, "readiness is asked past what drains an instance"
    host.done()
    assert run(host, "switch", "new") == 0
    assert host.done()[-3:] == ["stop green", "start green", "stop blue"], "the old one stops last"
    assert shown(host, capsys) == {"blue": ("stopped", "old"), "green": ("serves", "new")}
    tried = {one.split()[0] for one in host.calls()}
    assert {"xteam-smoke", "xteam-log-errors"} <= tried
    noted = json.loads((host.root / "var/switched.json").read_text())
    assert (noted["release"], noted["unit"], noted["invocation"]) == ("new", "xteam-api@green.service", "0123")
    assert (host.root / "etc/xteam/api-green.env").read_text().splitlines()[0] == 'RELEASE="new"'
    kept = host.root / "etc/xteam/environments/new.env"
    assert kept.read_text() == "OF=new\n" and kept.stat().st_mode & 0o777 == 0o600


def test_a_release_the_host_does_not_have(host, capsys):
    assert run(host, "switch", "other") == 1
    assert "this host has no release other; it has: new, old" in capsys.readouterr().err and not host.done()


@pytest.mark.parametrize("fault", ["not ready", "ends", "does not do what users do", "logs errors"])
def test_a_bad_release_leaves_the_old_one_serving(host, server, capsys, fault):
    assert run(host, "switch", "old") == 0
    host.file("/etc/xteam/app.env", "OF=other\n")
    if fault == "not ready":
        server.status = 503
    elif fault == "ends":
        host.file("/units/restarts", "3\n")
    else:
        host.program("xteam-smoke" if fault.endswith("do") else "xteam-log-errors", status=1)
    host.done()
    capsys.readouterr()
    assert run(host, "switch", "new") == 1
    said = capsys.readouterr().err
    assert "old goes on serving on this host" in said
    if fault == "not ready":
        assert "new is not ready after 1 s: /readyz answers 503: the database is away" in said
    assert "stop blue" not in host.done(), "the old instance was touched"
    assert shown(host, capsys)["blue"] == ("serves", "old") and shown(host, capsys)["green"][0] == "stopped"
    assert (host.root / "etc/xteam/app.env").read_text() == "OF=new\n", "it would restart with what it never had"


def test_edges_hear_of_it(host, capsys, monkeypatch):
    """An edge that asks the old instance and never the new one: nothing is switched."""
    assert run(host, "switch", "old") == 0
    host.file("/etc/xteam/switch.json", {**host.settings, "edges": ["10.0.0.5"]})
    monkeypatch.setattr(host.load("xteam_switch.host"), "EDGE_SECONDS", 0)
    monkeypatch.setattr(host.load("xteam_switch.instance"), "EDGE_SECONDS", 0)
    host.file("/run/xteam-api-blue/10.0.0.5-200")
    assert run(host, "switch", "new") == 1
    assert "edge 10.0.0.5 does not ask the new instance" in capsys.readouterr().err
    host.file("/run/xteam-api-green/10.0.0.5-200")
    assert run(host, "switch", "new") == 0
    said = capsys.readouterr().out
    assert "green is in rotation at 1 edges" in said and "10.0.0.5 asked blue no more: going on" in said


def test_leave_and_stay(host, capsys):
    assert run(host, "stay") == 0 and "nothing runs here" in capsys.readouterr().out
    assert run(host, "switch", "old") == 0 and run(host, "leave") == 0
    assert shown(host, capsys)["blue"][0] == "drained"
    assert run(host, "stay") == 0 and shown(host, capsys)["blue"][0] == "serves"


def test_an_interrupted_switch_is_ended(host, capsys):
    """Both run: the one that starts at boot goes on."""
    assert run(host, "switch", "old") == 0
    host.file("/units/xteam-api@green.service", "active\n")
    host.done()
    assert run(host, "stay") == 0 and host.done() == ["stop green"]


def test_restore_brings_everything_back(host, capsys):
    assert run(host, "switch", "old") == 0
    host.file("/etc/xteam/app.env", "OF=other\n")
    assert run(host, "switch", "new") == 0
    host.file("/releases/.half.new/file")
    host.file("/releases/.half.tar.gz")
    host.program("xteam-log-errors", status=1)
    host.done()
    assert run(host, "restore", "old") == 0, "on the way back a log is no reason to stay"
    assert (host.root / "etc/xteam/app.env").read_text() == "OF=new\n"
    assert (host.root / "root/current").resolve().name == "old"
    assert shown(host, capsys)["blue"] == ("serves", "old")
    assert "restart xteam-worker@1" in host.done()
    assert not list((host.root / "releases").glob(".*")), "what did not arrive is left"


def test_workers_alone_are_brought_back_too(host):
    host.file("/etc/xteam/switch.json", {**host.settings, "serves": False})
    assert run(host, "restore", "old") == 0
    assert host.done() == ["restart xteam-worker@1"]

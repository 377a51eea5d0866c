"""xteam-updates on a host: what waits, since when, and whether the host may be taken away."""

import json
import time

import pytest
from host_programs import Host

OLD = "7f00-7f01 r-xp 00000000 00:00 1 /usr/lib/x86_64-linux-gnu/libssl.so.3 (deleted)\n"
POLICY = "sh:case $2 in old) new=2;; *) new=1;; esac; printf '  Installed: 1\\n  Candidate: %s\\n' $new"


@pytest.fixture
def host(tmp_path, monkeypatch):
    with Host(tmp_path) as made:
        made.file("/var/lib/xteam/x")
        made.metrics = tmp_path / "metrics"
        made.metrics.mkdir()
        settings = {"whole": {"etcd": "exit 0"}, "units": ["etcd.service"], "metrics": str(made.metrics)}
        made.file("/etc/xteam/updates.json", settings)
        waiting = made.load("xteam_updates.waiting")
        monkeypatch.setattr(waiting, "PROC", tmp_path / "proc")
        monkeypatch.setattr(waiting, "REBOOT", tmp_path / "reboot-required")
        made.program("apt-cache", ("", POLICY))
        made.program("systemctl", ("", "active"))
        made.process = lambda number, unit, maps: (
            made.file(f"/proc/{number}/maps", maps),
            made.file(f"/proc/{number}/cgroup", f"0::/system.slice/{unit}\n"),
        )
        yield made


def run(host, word):
    return host.main("xteam_updates.__main__", word)


def test_host_is_spared_when_all_is_whole(host, capsys):
    assert run(host, "whole") == 0 and capsys.readouterr().out == ""
    host.program("systemctl", ("", "failed"))
    host.file("/etc/xteam/updates.json", {"whole": {"etcd": "echo two members; exit 1"}, "units": ["etcd.service"]})
    assert run(host, "whole") == 1
    assert capsys.readouterr().out.splitlines() == ["etcd: two members", "etcd.service is failed"]


def test_what_waits_is_said(host, capsys):
    host.file("/var/lib/unattended-upgrades/kept-back", "old new")
    host.process(1, "postgresql.service", OLD)
    host.process(2, "redis.service", "7f00-7f01 r-xp 00000000 00:00 1 /usr/bin/redis-server\n")
    (host.root / "proc/3").mkdir()
    (host.root / "reboot-required").touch()
    assert run(host, "status") == 0
    found = json.loads(capsys.readouterr().out)
    assert found["kept_back"] == ["old"] and list(found["outdated_units"]) == ["postgresql.service"]
    assert found["reboot_since"] == pytest.approx(time.time(), abs=60)


def test_since_when_is_remembered_until_the_restart(host, capsys):
    host.process(1, "postgresql.service", OLD)
    seen = host.file("/var/lib/xteam/outdated-units.json", {"postgresql.service": 1000.0})
    assert run(host, "record") == 0
    told = (host.metrics / "xteam-updates.prom").read_text()
    assert "xteam_updates_outdated_since_timestamp_seconds 1000" in told
    host.process(1, "postgresql.service", "")
    assert run(host, "record") == 0
    assert json.loads(seen.read_text()) == {}
    assert "xteam_updates_outdated_units 0" in (host.metrics / "xteam-updates.prom").read_text()


def test_first_seen_is_now(host):
    host.process(1, "postgresql.service", OLD)
    assert run(host, "record") == 0
    found = json.loads((host.root / "var/lib/xteam/outdated-units.json").read_text())
    assert found["postgresql.service"] == pytest.approx(time.time(), abs=60)
    told = host.metrics / "xteam-updates.prom"
    assert told.stat().st_mode & 0o777 == 0o644

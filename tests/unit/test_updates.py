"""How updates install themselves: whose turn it is when, and what keeps a host from being taken away."""

import importlib
from pathlib import Path

import pytest

import xteam_infra.on_host
from xteam_infra.plan.base import upgrade_at


def test_hosts_take_turns(ha):
    ha.own |= {"updates_first_at": "23:00", "updates_spacing_minutes": 45}
    estate = ha.read()
    turns = [upgrade_at(estate, machine) for machine in estate.machines]
    assert turns[:3] == ["23:00", "23:45", "00:30"]
    assert len(set(turns)) == len(turns)


@pytest.mark.parametrize(
    ("key", "value", "allowed"),
    [
        ("updates_first_at", "25:00", "pattern"),
        ("updates_spacing_minutes", 1, "5"),
        ("updates_spacing_minutes", 720, "at most"),
        ("updates_reboot_days", 0, "1"),
    ],
)
def test_values_that_are_refused(ha, key, value, allowed):
    ha.own[key] = value
    assert allowed in ha.problems()[key]


def test_a_host_is_spared_only_while_its_clusters_are_whole(ha):
    estate = ha.read()
    plan = next(estate.plans[machine.name] for machine in estate.members("postgres"))
    assert {"etcd", "PostgreSQL"} <= set(plan.whole)
    assert f"-eq {len(estate.members('postgres'))}" in plan.whole["PostgreSQL"]
    redis = estate.plans[estate.members("redis")[0].name].whole
    assert {f"Redis {role}" for role in estate.redis.redis_instances} <= set(redis)
    edges = estate.members("edge")
    assert {f"edge {one.name}" for one in edges} <= set(estate.plans[edges[0].name].whole)


@pytest.fixture
def waiting(monkeypatch, tmp_path):
    monkeypatch.syspath_prepend(str(Path(xteam_infra.on_host.__file__).parent))
    module = importlib.import_module("xteam_updates.waiting")
    monkeypatch.setattr(module, "PROC", tmp_path / "proc")
    monkeypatch.setattr(module, "SEEN", tmp_path / "seen.json")
    monkeypatch.setattr(module, "KEPT_BACK", tmp_path / "kept-back")
    monkeypatch.setattr(module, "REBOOT", tmp_path / "reboot-required")
    return module


def process(waiting, number, maps, unit):
    directory = waiting.PROC / str(number)
    directory.mkdir(parents=True)
    (directory / "maps").write_text(f"7f00-7f01 r-xp 00000000 00:1b 42  {maps}\n")
    (directory / "cgroup").write_text(f"0::/system.slice/{unit}\n")


def test_services_that_run_what_was_replaced(waiting):
    process(
        waiting, 1, "/usr/lib/x86_64-linux-gnu/libssl.so.3 (deleted)", "system-redis.slice/redis-server@queue.service"
    )
    process(waiting, 2, "/usr/lib/x86_64-linux-gnu/libssl.so.3", "ssh.service")
    process(waiting, 3, "/memfd:jit (deleted)", "etcd.service")
    process(waiting, 5, "/ (deleted)", "redis-server@cache.service")
    (waiting.PROC / "4").mkdir()  # it has ended
    found = waiting.outdated_units()
    assert list(found) == ["redis-server@cache.service", "redis-server@queue.service"]
    waiting.remember({"redis-server@queue.service": 42.0})
    assert waiting.outdated_units()["redis-server@queue.service"] == 42.0


def test_what_was_kept_back_and_is_still_old(waiting, monkeypatch):
    assert waiting.kept_back() == [] and waiting.reboot_since() is None
    waiting.KEPT_BACK.write_text("etcd-server haproxy")
    monkeypatch.setattr(waiting, "_is_older", lambda package: package == "haproxy")
    assert waiting.kept_back() == ["haproxy"]
    waiting.REBOOT.touch()
    assert waiting.reboot_since() == waiting.REBOOT.stat().st_mtime


def test_what_keeps_a_host_from_being_taken_away(waiting):
    whole = importlib.import_module("xteam_updates.whole")
    said = whole.not_whole({"etcd": "true", "Redis queue": "echo one; echo queue is down; exit 1", "x": "exit 3"}, [])
    assert said == ["Redis queue: queue is down", "x: status 3"]


def test_metrics(waiting, monkeypatch, tmp_path):
    metrics = importlib.import_module("xteam_updates.metrics")
    monkeypatch.setattr(metrics, "TARGET", tmp_path / "x.prom")
    metrics.write(["haproxy"], 12.4, {"etcd.service": 5.0}, 100)
    lines = [line for line in (tmp_path / "x.prom").read_text().splitlines() if not line.startswith("#")]
    assert "xteam_updates_kept_back_packages 1" in lines and "xteam_updates_outdated_since_timestamp_seconds 5" in lines
    assert "xteam_updates_reboot_required_since_timestamp_seconds 12" in lines

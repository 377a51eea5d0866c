"""How updates install themselves: whose turn it is when, and what keeps a host from being taken away."""

import importlib
from datetime import UTC, datetime
from pathlib import Path

import pytest

import xteam_infra.on_host
from xteam_infra.layers.base.needs import reboot_at, upgrade_at
from xteam_infra.layers.base.reboot import is_open
from xteam_infra.plan.compose import plans


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
        ("updates_reboot_window", "2:00-5:00", "pattern"),
        ("updates_reboot_window", "02:00-25:00", "pattern"),
        ("updates_reboot_themselves", True, "a window too"),
    ],
)
def test_values_that_are_refused(ha, key, value, allowed):
    ha.own[key] = value
    assert allowed in ha.problems()[key]


def test_hosts_that_reboot_themselves_share_the_window(ha):
    ha.own |= {"updates_reboot_themselves": True, "updates_reboot_window": "23:00-02:00"}
    estate = ha.read()
    turns = [reboot_at(estate, machine) for machine in estate.machines]
    assert turns[0] == "23:00" and len(set(turns)) == len(turns)
    now = datetime(2026, 11, 30, tzinfo=UTC)
    clocks = [now.replace(hour=int(one[:2]), minute=int(one[3:])) for one in turns]
    assert all(is_open("23:00-02:00", one) for one in clocks)
    assert "xteam-reboot.timer" in plans(estate)[estate.machines[0].name].units


def test_a_window_in_which_not_all_hosts_have_a_turn_is_refused(ha):
    ha.own |= {"updates_reboot_themselves": True, "updates_reboot_window": "02:00-02:30"}
    assert "at least" in ha.problems()["updates_reboot_window"]


@pytest.mark.parametrize(
    ("window", "clock", "is_it"),
    [
        ("02:00-05:00", "02:00", True),
        ("02:00-05:00", "04:59", True),
        ("02:00-05:00", "05:00", False),
        ("02:00-05:00", "01:59", False),
        ("23:00-02:00", "23:30", True),
        ("23:00-02:00", "01:59", True),
        ("23:00-02:00", "12:00", False),
        ("00:00-00:00", "12:00", True),
    ],
)
def test_the_window_is_open_from_its_start_to_its_end(window, clock, is_it):
    now = datetime(2026, 11, 30, int(clock[:2]), int(clock[3:]), tzinfo=UTC)
    assert is_open(window, now) == is_it


def test_a_host_leaves_what_others_can_take_over(ha, declaration):
    ha.own["edge_floating_address"] = "10.0.0.99/24"
    estate = ha.read()
    groups = ("postgres", "redis", "app", "edge")
    handed = {group: plans(estate)[estate.members(group)[0].name].leaves for group in groups}
    assert "edge" in handed["edge"]
    assert "PostgreSQL" in handed["postgres"] and "API" in handed["app"]
    assert {f"Redis {role}" for role in estate.redis.redis_instances} <= set(handed["redis"])
    alone = declaration.read()
    assert plans(alone)[alone.machines[0].name].leaves == {}, "nobody takes over from the only host"


@pytest.fixture
def leaving(monkeypatch):
    monkeypatch.syspath_prepend(str(Path(xteam_infra.on_host.__file__).parent))
    return importlib.import_module("xteam_updates.leaving")


def test_what_a_host_left_is_taken_back_when_a_step_fails(leaving, tmp_path):
    def step(name, leave, leads=""):
        return {"name": name, "leave": leave, "leads": leads, "stay": f"echo back {name} >> {tmp_path}/said"}

    steps = [
        step("edge", f"echo left >> {tmp_path}/said"),
        step("API", "echo no edge asks; exit 1"),
        step("Redis", f"echo never >> {tmp_path}/said"),
    ]
    assert leaving.hand_over(steps) == "API: no edge asks"
    assert (tmp_path / "said").read_text().split("\n")[:-1] == ["left", "back API", "back edge"]


def test_what_a_host_does_not_lead_it_does_not_hand_over(leaving, tmp_path):
    steps = [
        {"name": "Redis", "leave": f"touch {tmp_path}/redis", "stay": "true", "leads": "false"},
        {"name": "PostgreSQL", "leave": f"touch {tmp_path}/postgres", "stay": "true", "leads": "true"},
    ]
    assert leaving.led(steps) == ["PostgreSQL"]
    assert leaving.hand_over(steps) is None
    assert [one.name for one in tmp_path.iterdir()] == ["postgres"]


def test_a_host_is_spared_only_while_its_clusters_are_whole(ha):
    estate = ha.read()
    plan = next(plans(estate)[machine.name] for machine in estate.members("postgres"))
    assert {"etcd", "PostgreSQL"} <= set(plan.whole)
    assert f"-eq {len(estate.members('postgres'))}" in plan.whole["PostgreSQL"]
    redis = plans(estate)[estate.members("redis")[0].name].whole
    assert {f"Redis {role}" for role in estate.redis.redis_instances} <= set(redis)
    edges = estate.members("edge")
    assert {f"edge {one.name}" for one in edges} <= set(plans(estate)[edges[0].name].whole)


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


def test_metrics(waiting, tmp_path):
    metrics = importlib.import_module("xteam_updates.metrics")
    metrics.write(str(tmp_path), ["haproxy"], 12.4, {"etcd.service": 5.0}, 100)
    lines = [line for line in (tmp_path / "xteam-updates.prom").read_text().splitlines() if not line.startswith("#")]
    assert "xteam_updates_kept_back_packages 1" in lines and "xteam_updates_outdated_since_timestamp_seconds 5" in lines
    assert "xteam_updates_reboot_required_since_timestamp_seconds 12" in lines

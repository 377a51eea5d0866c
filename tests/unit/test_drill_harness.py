"""What drills are made of: the ledger counts what was acknowledged, witnesses find two leaders, faults stay in labs."""

import json
from types import SimpleNamespace

import pytest

from bench.failover import percentile, summary
from lab.errors import LabError
from tests.drills.harness import faults as faults_module
from tests.drills.harness.faults import Faults
from tests.drills.harness.on_host import __main__ as on_host
from tests.drills.harness.write_probe import Seen, handovers, overlaps


class Store(on_host.Writer):
    """Keeps numbers in memory; forgets some of them, and is away for a while."""

    forgets, away = (3,), range(5, 8)

    def __init__(self, orders):
        super().__init__(orders)
        self.numbers, self.connected = set(), 0

    def connect(self):
        self.connected += 1

    def write(self, number):
        if number in self.away:
            raise OSError("no route to host")
        if number not in self.forgets:
            self.numbers.add(number)
        if number == 9:
            self.numbers.add(1000)  # a write whose acknowledgement was lost on its way

    def close(self):
        pass

    def kept(self):
        return self.numbers


def test_the_ledger_counts_what_is_lost(tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(on_host.KINDS, "store", Store)
    orders = tmp_path / "orders.json"
    orders.write_text(json.dumps({"kind": "store", "seconds": 0.5, "pause": 0.01}))
    monkeypatch.setattr("sys.argv", ["on_host.py", str(orders)])
    on_host.main()
    result = json.loads(capsys.readouterr().out)
    assert result["lost"] == 1 and result["errors"] == 3 and result["unacknowledged_kept"] == 1
    assert result["said"] == ["OSError: no route to host"] and result["outage_seconds"] >= 0.15
    written = [line.split()[0] for line in (tmp_path / "ledger").read_text().splitlines()]
    assert len(written) == result["acknowledged"] and written[:6] == ["0", "1", "2", "3", "4", "8"]


def test_a_writer_stops_when_told(tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(on_host.KINDS, "store", Store)
    orders = tmp_path / "orders.json"
    orders.write_text(json.dumps({"kind": "store", "seconds": 600, "pause": 0.01}))
    (tmp_path / "stop").touch()
    monkeypatch.setattr("sys.argv", ["on_host.py", str(orders)])
    on_host.main()
    assert json.loads(capsys.readouterr().out)["acknowledged"] == 0


def test_two_leaders_are_found():
    apart = [Seen("db1", [(1.0, 1.1), (2.0, 2.1)]), Seen("db2", [(3.0, 3.1)])]
    assert overlaps(apart) == []
    assert handovers(apart) == [("db1", 1.0, 2.1), ("db2", 3.0, 3.1)]
    both = [Seen("db1", [(1.0, 2.1)]), Seen("db2", [(2.0, 3.1)])]
    assert overlaps(both) == ["db1 and db2 both took a write at 1.000"]
    in_turn = [Seen("db1", [(1.0, 1.1), (5.0, 5.1)]), Seen("db2", [(3.0, 3.1)])]
    assert [name for name, _, _ in handovers(in_turn)] == ["db1", "db2", "db1"]


@pytest.fixture
def hosts():
    machines = [SimpleNamespace(name="db1", ssh_hostname="10.0.0.1")]
    return SimpleNamespace(machines=machines, memo=SimpleNamespace(forget=lambda: None))


def test_power_is_pulled_in_a_lab_alone(hosts, monkeypatch):
    def none(name):
        raise LabError(f"no lab {name!r}")

    monkeypatch.setattr(faults_module.state, "load", none)
    with pytest.raises(pytest.skip.Exception, match="in a lab only: no lab"):
        Faults(hosts).kill("db1")
    other = SimpleNamespace(name="mine", hosts=[SimpleNamespace(name="db1", address="10.9.9.9")])
    monkeypatch.setattr(faults_module.state, "load", lambda name: other)
    for fault in ("kill", "cut", "start", "replace"):
        with pytest.raises(pytest.skip.Exception, match="not those of lab mine"):
            getattr(Faults(hosts), fault)("db1")


def test_what_was_broken_is_mended_the_last_first():
    done = []
    units = SimpleNamespace(check_output=lambda command: done.append(command.split()[1]))
    faults = Faults({"db1": units})
    faults.stop("db1", "etcd.service")
    faults.freeze("db1", "redis.service")
    faults.undo()
    assert done == ["stop", "kill", "kill", "start"]
    faults.undo()
    assert len(done) == 4


def test_the_table_of_failovers():
    values = [float(number) for number in range(1, 11)]
    assert (percentile(values, 0.5), percentile(values, 0.95), percentile([7.0], 0.5)) == (5.0, 10.0, 7.0)
    run = {"fault": "power", "way": "router", "outage_seconds": 20.5, "acknowledged": 100, "lost": 0}
    lines = summary([{**run, "whole_again_seconds": 40.0}] * 2).splitlines()
    assert lines[2] == "| power | router | 2 | 20.5 | 20.5 | 20.5 | 200 | 0 | 40.0 | 40.0 |"

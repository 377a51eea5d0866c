"""Tasks for drills: workers are taught one that counts its runs in PostgreSQL, and are sent thousands of them.

The workers are the estate's own, with one module more (tasks_on_host.py) until `remove`. Each run is a row: a task
without a row or without its result is lost, one with two rows ran twice. Some of them are chords.
"""

# ruff: noqa: S608 - the names in these statements are the drill's own

from collections import Counter
from itertools import pairwise
from pathlib import Path
from uuid import uuid4

from tests.drills.harness.cluster import Cluster
from xteam_infra.layers.app import needs as paths
from xteam_infra.layers.celery.needs import takes_tasks, worker_unit

MODULE = f"{paths.RUNTIME}/xteam_drill.py"
TABLE = "xteam_drill_tasks"
SENDER = "xteam-drill-sender"
# Neither is below /run: both outlive a power loss.
SENT = "/var/lib/xteam-drill-sent"
UNIT = "/etc/systemd/system/xteam-worker@.service"
DROP_IN = "/etc/systemd/system/xteam-worker@.service.d"
TEACH = f"""mkdir -p {DROP_IN}
{{
    printf '[Service]\\nExecStart=\\n'
    sed -n '/^ExecStart=/,/[^\\]$/p' {UNIT} | sed '$s/$/ --include xteam_drill/'
}} > {DROP_IN}/xteam-drill.conf
systemctl daemon-reload"""
FORGET = f"rm -f {DROP_IN}/xteam-drill.conf {MODULE}; rmdir {DROP_IN}; systemctl daemon-reload"


class Workers:
    """The worker hosts, able to run the drill's task until `remove`."""

    def __init__(self, hosts, estate):
        self.estate, self.hosts = estate, hosts.group("worker")
        self.cluster = Cluster(hosts, estate)
        self.members = hosts
        self.find_leader()
        self.sql(f"CREATE TABLE IF NOT EXISTS {TABLE} (run text, number int, at timestamptz)")
        self.sql(f"GRANT SELECT, INSERT ON {TABLE} TO {estate.postgres.POSTGRES_USER}")
        module = Path(__file__).with_name("tasks_on_host.py").read_text()
        for host in self.hosts:
            host.run_with_stdin(f"cat > {MODULE} && chmod 644 {MODULE}", module)
            host.check_output(TEACH)
            self.restart(host)

    def find_leader(self) -> None:
        """Which member to ask from now on."""
        self.leader = self.members[self.cluster.leader()]

    def sql(self, statement: str) -> str:
        """Ask PostgreSQL's leader."""
        return self.cluster.sql(self.leader, statement)

    def restart(self, host) -> None:
        """One worker of a host after the other; each takes tasks again before the next one goes."""
        for name in self.estate.celery.celery_workers:
            host.check_output(f"systemctl restart {worker_unit(name)}")
            host.check_output(f"until {takes_tasks(self.estate.celery, name)}; do sleep 0.3; done")

    def remove(self) -> None:
        """Take back what the hosts were given; a deploy restarts the workers."""
        for host in self.hosts:
            host.run(f"systemctl stop {SENDER} 2>/dev/null; {FORGET}; rm -f {SENT}")
        self.find_leader()
        self.sql(f"DROP TABLE IF EXISTS {TABLE}")


class Load:
    """`count` tasks, sent from now on from the last worker host, and what becomes of them."""

    def __init__(self, workers: Workers, count: int):
        workers.find_leader()
        self.workers, self.count, self.run = workers, count, uuid4().hex[:8]
        self.host = workers.hosts[-1]
        self.host.run(f"systemctl stop {SENDER} 2>/dev/null; systemctl reset-failed {SENDER} 2>/dev/null")
        self.host.check_output(
            f"systemd-run -q --unit {SENDER} -p StandardOutput=truncate:{SENT}"
            f" /usr/local/sbin/xteam-run {MODULE} send {self.run} {count}"
        )

    def rows(self) -> list[tuple[int, float]]:
        """(number, moment) of each run, in the order of time."""
        said = self.workers.sql(
            f"SELECT number, extract(epoch FROM at) FROM {TABLE} WHERE run = '{self.run}' ORDER BY at"
        )
        return [(int(number), float(at)) for number, _, at in (line.partition("|") for line in said.splitlines())]

    def done(self) -> int:
        """How many tasks have been run."""
        return int(self.workers.sql(f"SELECT count(DISTINCT number) FROM {TABLE} WHERE run = '{self.run}'"))

    def sent(self) -> set[int]:
        """The numbers that the queue has taken."""
        return {int(line.split()[0]) for line in self._said() if not line.startswith("#")}

    def refused(self) -> int:
        """How many it has not taken; their sender was told."""
        return sum(line.startswith("#") for line in self._said())

    def without_result(self) -> list[int]:
        """The numbers whose sender would ask for the result in vain."""
        return self.host.json(f"xteam-run {MODULE} results < {SENT}")

    def _said(self) -> list[str]:
        return self.host.check_output(f"cat {SENT}").splitlines()

    def result(self, eventually, figures: dict, seconds: float) -> None:
        """Wait until all tasks have run, or nothing more happens for `seconds`; keep what is measured."""
        eventually(lambda: len(self._said()) == self.count, seconds=600, interval=1)
        self.end(eventually, figures, seconds)

    def end(self, eventually, figures: dict, seconds: float) -> None:
        """As `result`, of what was sent until now."""
        self.workers.find_leader()
        taken, last = self.sent(), [0, 0]

        def settled():
            found = len(taken & {number for number, _ in self.rows()})
            last[:] = (found, 0) if found != last[0] else (found, last[1] + 1)
            return found >= len(taken) or last[1] * 2 > seconds

        eventually(settled, seconds=900, interval=2)
        rows = self.rows()
        runs = Counter(number for number, _ in rows)
        # The last ones wait for their delivery to be repeated; between them nothing was to be done.
        busy = [at for _, at in rows[: int(len(rows) * 0.98)]]
        figures["tasks_sent"] = len(taken)
        figures["refused"] = self.refused()
        figures["lost"] = len(taken - set(runs))
        figures["results_missing"] = len(self.without_result())
        figures["ran_twice"] = sum(count > 1 for count in runs.values())
        figures["longest_pause_seconds"] = round(max((b - a for a, b in pairwise(busy)), default=0), 1)
        figures["tasks_per_second"] = round(len(busy) / max(busy[-1] - busy[0], 0.001))

"""Users on the edges, and what they saw: requests over kept connections, slow uploads, WebSockets, logins."""

import json
from collections import Counter
from pathlib import Path

from xteam_infra.plan.needs import CA_PATH

ON_HOST = Path(__file__).with_name("users_on_host.py")
FILES = "/run/xteam-drill-users"
UNIT = "xteam-drill-users"
# Far longer than any drill: users that were forgotten leave by themselves.
LONGEST = 1800
# Of all edges together.
NUMBERS = {"kept": 40, "slow": 10, "websockets": 200}
COUNTED = ("requests", "slow", "websockets", "websockets_reconnected", "websockets_closed_1012", "logins")
FAILED = ("requests_failed", "slow_failed", "websockets_failed", "logins_failed")


class Load:
    """The users of one edge. first: number of the first one: no two edges have users with the same address."""

    def __init__(self, edge, estate, token, first, numbers, person):
        self.edge = edge
        settings = {
            "name": estate.all.domain, "ca": CA_PATH, "go": f"{FILES}.go", "ready": f"{FILES}.ready",
            "first": first, "logins": 0, **numbers, "pause": 0.8, "slow_seconds": 5, "websocket_pause": 3,
            "login_pause": 6, "seconds": LONGEST,
        }  # fmt: skip
        edge.run(f"rm -f {FILES}.*; touch {FILES}.go")
        edge.run_with_stdin(f"cat > {FILES}.py", ON_HOST.read_text())
        edge.run_with_stdin(f"umask 077; cat > {FILES}.in", f"{json.dumps(settings)}\n{token}\n{json.dumps(person)}\n")
        edge.check_output(
            f"systemd-run -q --collect --unit {UNIT} -p StandardInput=file:{FILES}.in -p LimitNOFILE=4096"
            f" -p StandardOutput=truncate:{FILES}.out -p StandardError=truncate:{FILES}.err python3 {FILES}.py"
        )

    def ready(self):
        return self.edge.run(f"test -e {FILES}.ready").rc == 0

    def result(self, eventually):
        """What they saw, once they are gone."""
        eventually(
            lambda: self.edge.run(f"test -s {FILES}.out || test -s {FILES}.err").rc == 0, seconds=120, interval=1
        )
        return json.loads(self.edge.check_output(f"cat {FILES}.out {FILES}.err"))

    def remove(self):
        self.edge.run(f"systemctl stop {UNIT} 2>/dev/null; rm -f {FILES}.*")


class Users:
    """Users of every edge, as one person of the application; what they saw is added up."""

    def __init__(self, edges, estate, token, of_all=NUMBERS, person=None):
        """person: name and password of somebody who logs in."""
        self.fewest = of_all["websockets"] // 2
        numbers = {kind: number // len(edges) for kind, number in of_all.items()}
        size = sum(numbers.values())
        self.loads = [Load(edge, estate, token, size * place, numbers, person) for place, edge in enumerate(edges)]

    def ready(self):
        """Whether all of them are at it."""
        return all(load.ready() for load in self.loads)

    def result(self, eventually, figures):
        """Let them go, and fail if anything of theirs has."""
        _, trouble = self.seen(eventually, figures)
        failed = {name: figures[name] for name in FAILED if figures[name]}
        assert not failed, f"users were failed: {failed}; {trouble}"

    def seen(self, eventually, figures):
        """Let them go, and put into figures how many did what, how many failed, and the slowest answer in seconds.

        Returns when the last one failed (seconds since the epoch, 0: none), and what went wrong.
        """
        for load in self.loads:
            load.edge.run(f"rm -f {FILES}.go")
        seen: Counter[str] = Counter()
        slowest, last, trouble = 0, 0, []
        for load in self.loads:
            one = load.result(eventually)
            slowest, last = max(slowest, one.pop("slowest_seconds")), max(last, one.pop("last_failed"))
            trouble += one.pop("trouble")
            seen.update(one)
        figures |= {name: seen[name] for name in (*COUNTED, *FAILED)} | {"slowest_seconds": slowest}
        assert seen["requests"] > 100 and seen["websockets"] >= self.fewest, f"shows nothing: {seen}"
        return last, trouble

    def remove(self):
        for load in self.loads:
            load.remove()

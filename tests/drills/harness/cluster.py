"""The PostgreSQL cluster as a drill sees it: who leads, whether all is well, a table to write to."""

from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from shlex import quote
from typing import Any

from checklist.hosts import CheckedHost, Hosts
from checklist.shell import CheckError
from xteam_infra.estate import Estate
from xteam_infra.plan.needs import CA_PATH

CURL = (
    f"curl -s -m 3 --cacert {CA_PATH} --cert /etc/xteam/pki/patroni-client.crt --key /etc/xteam/pki/patroni-client.key"
)
REST = "https://127.0.0.1:8008"
# Seconds; a bound against hanging, far above what is measured: people judge figures (bench/, docs/measurements).
PATIENCE = 240


@contextmanager
def kept_whole(hosts: Hosts, estate: Estate, eventually: Callable[..., object]) -> Iterator["Cluster"]:
    """The cluster for one drill: whole before it, and after it."""
    found = Cluster(hosts, estate)
    eventually(found.whole, seconds=PATIENCE, interval=1)
    yield found
    eventually(found.whole, seconds=PATIENCE, interval=1)


class Cluster:
    """hosts: all of the inventory; settings are the estate's."""

    def __init__(self, hosts: Hosts, estate: Estate) -> None:
        self.hosts, self.estate = hosts, estate
        self.members = hosts.group("postgres")

    def sql(self, host: CheckedHost, statements: str, database: str = "") -> str:
        """Ask the server on a host as its own account."""
        command = (
            f"psql -XAtq -v ON_ERROR_STOP=1 -d {database or self.estate.postgres.POSTGRES_DB} -c {quote(statements)}"
        )
        answer: str = host.check_output(f"cd / && timeout 30 runuser -u postgres -- {command}")
        return answer

    def states(self, without: Collection[str] = ()) -> dict[str, dict[str, Any]]:
        """{name: what Patroni on that member says of itself} of the members that answer."""
        found = {}
        for host in self.members:
            if host.name in without:
                continue
            try:
                answer = host.run(f"{CURL} {REST}/patroni")
            except CheckError:
                continue
            if answer.stdout.startswith("{"):
                found[host.name] = host.json(f"{CURL} {REST}/patroni")
        return found

    def leader(self, without: Collection[str] = ()) -> str | None:
        """The name of the member that leads; None when nobody does. without: members not to be asked."""
        roles = {name: (one.get("role"), one.get("state")) for name, one in self.states(without).items()}
        return next((name for name, said in roles.items() if said == ("primary", "running")), None)

    def present_leader(self) -> str:
        """The name of the member that leads. Fails when nobody does."""
        name = self.leader()
        assert name, "nobody leads"
        return name

    def whole(self) -> str:
        """Assert that all members are there, on one timeline, streaming from one leader, one of them synchronous."""
        states = self.states()
        missing = {host.name for host in self.members} - set(states)
        assert not missing, f"no answer from {sorted(missing)}"
        leaders = [name for name, one in states.items() if one["role"] == "primary"]
        assert len(leaders) == 1, f"leaders: {leaders}"
        followers = {name: one.get("replication_state") for name, one in states.items() if name not in leaders}
        assert set(followers.values()) <= {"streaming"}, f"not streaming: {followers}"
        timelines = {one.get("timeline") for one in states.values()}
        assert len(timelines) == 1, f"timelines: {timelines}"
        assert not followers or any(one.get("sync_standby") for one in states.values()), "no synchronous replica"
        return leaders[0]

    def etcd_leader(self) -> str:
        """The name of the host whose etcd member leads."""
        host = next(one for one in self.hosts.group("etcd"))
        states = host.json("xteam-etcdctl endpoint status -w json")
        for one in states:
            if one["Status"]["leader"] == one["Status"]["header"]["member_id"]:
                address = one["Endpoint"].split("//")[1].split(":")[0]
                return next(h.name for h in self.hosts.group("etcd") if h.address == address)
        raise AssertionError("etcd has no leader")

    def move_etcd_leader(self, deciding: str, heir: str) -> None:
        """Only etcd's leader takes this order."""
        host, address = self.hosts[deciding], self.hosts[heir].address
        listed = host.json("xteam-etcdctl member list -w json")["members"]
        identifier = next(f"{one['ID']:x}" for one in listed if f"//{address}:" in one["peerURLs"][0])
        host.check_output(f"XTEAM_ETCD_ENDPOINTS=https://{host.address}:2379 xteam-etcdctl move-leader {identifier}")

    @contextmanager
    def table(self, name: str, columns: str) -> Iterator[str]:
        """A table the application may write to, gone afterwards."""
        drop = f"DROP TABLE IF EXISTS {name}"
        self.sql(self.hosts[self.present_leader()], f"{drop}; SET ROLE migrator; CREATE TABLE {name} ({columns})")
        try:
            yield name
        finally:
            self.sql(self.hosts[self.present_leader()], drop)

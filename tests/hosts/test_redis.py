"""Redis: every role as it answers on every host, asked as administrator and as application."""

import json
import re
from shlex import quote

import pytest
from redis_client import as_user, section, test_key

from checklist.run import not_applicable
from tests.drills.harness.redis import ask, master_of
from xteam_infra.layers.redis.needs import SENTINEL, SENTINEL_UNIT, unit
from xteam_infra.plan.compose import plans

pytestmark = pytest.mark.group("redis")

# --- What is kept


@pytest.mark.item("RED-01")
def test_redis_aof_write_is_fsynced(host, hosts, estate, secret):
    """Persistence is on and works, and the master says of a new key that it is on its disk."""
    for role, one in estate.redis.redis_instances.items():
        state = section(host, role, "persistence")
        if not one.appendonly:
            assert one.save, f"{role} keeps nothing: neither an append-only file nor snapshots"
            assert state["rdb_last_bgsave_status"] == "ok", f"{role}: the last snapshot failed"
            continue
        assert state["aof_enabled"] == "1", f"{role} keeps no append-only file"
        assert state["aof_last_write_status"] == "ok", f"{role} can't write its append-only file"
        synced = ask(host, role, "CONFIG GET appendfsync").split()[1]
        assert synced == one.appendfsync, f"{role} syncs its append-only file {synced}"
        if master_of(host, hosts, role).name == host.name:
            with test_key(host, role, one.app_keys[0]) as key:
                commands = [f"SET {key} 1 EX 60", "WAITAOF 1 0 30000"]
                said = as_user(host, one.port, "app", secret(f"redis/{role}/app"), commands).stdout.split()
            assert said[:2] == ["OK", "1"], f"{role}: a new key did not reach the disk within 30 s: {said}"


# An append-only file as instances write it: what a client sent in one transaction, what a script did, a stream, an
# expiry, a function.
TRANSACTIONS = (
    (("SET", "plain", "1"),),
    (("SET", "pair:1", "1"), ("SET", "pair:2", "1", "PXAT", "4102444800000")),
    (("LPUSH", "queue", "message"), ("LPUSH", "wake", ""), ("LTRIM", "wake", "0", "31")),
    (("RPOP", "queue"), ("ZADD", "index", "1", "tag"), ("HSET", "unacknowledged", "tag", "message")),
    (("XADD", "stream", "1-1", "field", "value"), ("XGROUP", "CREATE", "stream", "group", "0")),
    (("FUNCTION", "LOAD", "#!lua name=check\nredis.register_function('check', function() return 1 end)"),),
)
KEYS = 7  # of them
# A scratch instance without network that starts as the role's own would, on such a file. $1: the role.
REPLAY = """
set -eu
home=$(mktemp -d); pid=
trap '[ -z "$pid" ] || kill $pid; wait; rm -rf "$home"' EXIT
install -d "$home/appendonlydir"
cat > "$home/appendonlydir/appendonly.aof.1.incr.aof"
echo "file appendonly.aof.1.incr.aof seq 1 type i" > "$home/appendonlydir/appendonly.aof.manifest"
chown -R redis:redis "$home"
runuser -u redis -- redis-server "/etc/redis/redis-$1.conf" --port 0 --tls-port 0 --unixsocket "$home/socket" \
    --dir "$home" --save "" --daemonize no --supervised no >"$home/log" 2>&1 &
pid=$!
REDISCLI_AUTH=$(cat "/etc/xteam/redis/$1.pass"); export REDISCLI_AUTH
ask() { redis-cli -s "$home/socket" --user admin --no-auth-warning -e "$@"; }
timeout 30 sh -c 'until redis-cli -s "$0" --user admin --no-auth-warning PING; do sleep 0.1; done' "$home/socket" \
    >/dev/null 2>&1 || { cat "$home/log"; exit 1; }
echo "$(ask DBSIZE) $(ask --json FUNCTION LIST | grep -c library_name) $(grep -c CRITICAL "$home/log")"
"""


def appended(transactions):
    """The text of an append-only file."""
    commands = []
    for one in transactions:
        commands += one if len(one) == 1 and one[0][0] == "SET" else [("MULTI",), *one, ("EXEC",)]
    words = [("SELECT", "0"), *commands]
    return "".join(f"*{len(one)}\r\n" + "".join(f"${len(word)}\r\n{word}\r\n" for word in one) for one in words)


@pytest.mark.item("RED-01")
def test_redis_restart_replays_aof_transactions(host, estate):
    """With each role's own configuration and users: an instance replays its file with the rights of a user."""
    for role, one in estate.redis.redis_instances.items():
        if not one.appendonly:
            continue
        said = host.run_with_stdin(f"bash -c {quote(REPLAY)} replay {role}", appended(TRANSACTIONS))
        assert said.rc == 0, f"{role} does not load an append-only file: {said.stdout[-500:]} {said.stderr[-500:]}"
        assert said.stdout.split() == [str(KEYS), "1", "0"], (
            f"{role} would forget transactions at its next start: of {KEYS} keys and 1 function are back, and lines"
            f" that are critical: {said.stdout.strip()}"
        )


@pytest.mark.item("SEC-09")
def test_blacklist_entry_is_persisted_and_never_evicted(host, hosts, estate, secret):
    """The instance's part: an entry of the blacklist is neither evicted nor lost, and the application can add one."""
    role = "blacklist"
    values = json.loads(ask(host, role, "--json CONFIG GET maxmemory-policy appendonly"))
    assert values == {"maxmemory-policy": "noeviction", "appendonly": "yes"}, f"the blacklist runs with {values}"
    if master_of(host, hosts, role).name == host.name:
        one = estate.redis.redis_instances[role]
        with test_key(host, role, one.app_keys[0]) as key:
            commands = [f"SET {key} 1 EX 60", f"EXISTS {key}", f"TTL {key}"]
            said = as_user(host, one.port, "app", secret(f"redis/{role}/app"), commands).stdout.split()
        assert said[:2] == ["OK", "1"] and 0 < int(said[2]) <= 60, f"revoking a token did not work: {said}"


# --- One instance a role


@pytest.mark.item("RED-04")
def test_each_redis_role_has_its_own_instance(host, estate):
    """Its own process, port, directory and sandbox: none can see another's data or change any configuration."""
    pids = {}
    for role, one in estate.redis.redis_instances.items():
        answer = host.check_output(f"systemctl show -p MainPID -p ActiveState -p UnitFileState -p User {unit(role)}")
        shown = dict(line.split("=", 1) for line in answer.splitlines())
        assert shown["ActiveState"] == "active" and shown["UnitFileState"] == "enabled", f"{unit(role)} is {shown}"
        assert shown["User"] == "redis", f"{unit(role)} runs as {shown['User']}"
        pid = pids[role] = shown["MainPID"]
        answering = section(host, role, "server")["process_id"]
        assert answering == pid, f"port {one.port} is answered by process {answering}, {unit(role)} is {pid}"
        seen = host.check_output(f"ls /proc/{pid}/root/var/lib/redis").split()
        assert seen == [role], f"{role} sees the data of {', '.join(seen)}"
        assert mounted(host, pid, "/etc/redis").startswith("ro,"), f"{role} can write its own configuration"
        assert mounted(host, pid, f"/var/lib/redis/{role}").startswith("rw,"), f"{role} can't write its data"
    assert len(set(pids.values())) == len(pids), f"roles share a process: {pids}"


def mounted(host, pid, path):
    """The options under which a process sees a path. Nothing can be executed in its namespace to ask there."""
    mounts = [line.split() for line in host.check_output(f"cat /proc/{pid}/mountinfo").splitlines()]
    above = [one for one in mounts if f"{path}/".startswith(f"{one[4].rstrip('/')}/")]
    return f"{max(above, key=lambda one: len(one[4]))[5]},"


@pytest.mark.item("RED-04")
def test_debian_redis_units_are_masked(host):
    """They would listen without password."""
    for name in ("redis-server.service", "redis-sentinel.service"):
        shown = host.check_output(f"systemctl show -p ActiveState -p LoadState --value {name}").split()
        assert sorted(shown) == ["inactive", "masked"], f"{name} is {' '.join(shown)}"


# --- What happens when memory is full


@pytest.mark.item("RED-06")
def test_memory_limits_and_eviction(host, estate):
    """As the instances run now. That they hold is a drill: a check must not fill a running queue."""
    for role, one in estate.redis.redis_instances.items():
        memory = section(host, role, "memory")
        assert int(memory["maxmemory"]) == one.memory_mb * 1024 * 1024, f"{role}: maxmemory is {memory['maxmemory']}"
        assert memory["maxmemory_policy"] == one.policy, f"{role} evicts by {memory['maxmemory_policy']}"
        limit = int(host.check_output(f"systemctl show -p MemoryMax --value {unit(role)}"))
        assert limit == plans(estate)[host.name].memory_mb[f"redis-{role}"] * 1024 * 1024, f"{role}: MemoryMax {limit}"


@pytest.mark.item("RED-06")
def test_memory_of_all_roles_fits_the_host(host, estate):
    total = int(re.search(r"MemTotal:\s+(\d+)", host.check_output("cat /proc/meminfo")).group(1)) // 1024
    planned = sum(mb for name, mb in plans(estate)[host.name].memory_mb.items() if name.startswith("redis"))
    assert planned + estate.base.memory_reserve_mb <= total, f"{planned} MiB planned on a host of {total} MiB"


# --- When a host is lost


def test_sentinel_watches_every_role(host, estate, eventually):
    settings = estate.redis
    quorum = settings.quorum(len(estate.members("redis")))

    def watched():
        found = {one["name"]: one for one in json.loads(ask(host, SENTINEL, "--json SENTINEL MASTERS"))}
        assert set(found) == set(settings.redis_instances), f"Sentinel watches {', '.join(sorted(found))}"
        for role, one in found.items():
            assert one["flags"] == "master", f"Sentinel calls the master of {role} {one['flags']}"
            assert int(one["quorum"]) == quorum, f"{role}: quorum {one['quorum']}"
            assert int(one["down-after-milliseconds"]) == settings.redis_down_after_ms
            assert int(one["failover-timeout"]) == settings.redis_failover_timeout_ms
        return True

    eventually(watched, seconds=20)
    active = host.check_output(f"systemctl show -p ActiveState -p UnitFileState --value {SENTINEL_UNIT}").split()
    assert sorted(active) == ["active", "enabled"], f"{SENTINEL_UNIT} is {' '.join(active)}"


@pytest.mark.item("RED-05")
def test_every_redis_role_has_replica_and_quorum(host, hosts, estate, eventually):
    """One master each, agreed on by all Sentinels, followed by all others without a gap; a majority could elect."""
    members = hosts.group("redis")
    if len(members) == 1:
        not_applicable("one Redis host: nobody to fail over to")

    def agreed(role):
        assert len({master_of(one, hosts, role).name for one in members}) == 1, f"Sentinels disagree about {role}"
        quorum = host.run(f"xteam-redis {SENTINEL} SENTINEL CKQUORUM {role}").stdout
        assert quorum.startswith(f"OK {len(members)} usable Sentinels"), f"{role}: {quorum}"
        state = section(host, role, "replication")
        if master_of(host, hosts, role).name == host.name:
            assert state["role"] == "master", f"{role}: Sentinel's master calls itself {state['role']}"
            online = re.findall(r"state=online", " ".join(state.values()))
            assert len(online) == len(members) - 1, f"{role}: {len(online)} of {len(members) - 1} replicas follow"
        else:
            assert state["role"] == "slave", f"{role} has a second master"
            assert state["master_link_status"] == "up", f"{role}: this replica is cut off from its master"
        return True

    for role in estate.redis.redis_instances:
        eventually(lambda role=role: agreed(role), seconds=20)
        wanted = estate.redis.redis_instances[role].min_replicas if len(members) >= 3 else 0
        asked = "min-replicas-to-write min-replicas-max-lag replica-priority"
        found = json.loads(ask(host, role, f"--json CONFIG GET {asked}"))
        lag = estate.redis.redis_instances[role].max_lag_s
        settings = {"min-replicas-to-write": str(wanted), "min-replicas-max-lag": str(lag), "replica-priority": "100"}
        assert found == settings, f"{role}: {found}"

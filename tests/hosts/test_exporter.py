"""The exporter of Redis' figures: asked as Prometheus asks it, from its host and with its certificate."""

import re
from functools import partial

import pytest

from checklist.run import not_applicable
from xteam_infra.layers.redis.needs import EXPORTER_PORT, EXPORTER_UNIT, SENTINEL

pytestmark = pytest.mark.group("redis")
PKI = "/etc/xteam/pki"
# What rules/redis.yml is made of.
FIGURES = (
    "redis_connected_clients",
    "redis_db_keys",
    "redis_commands_total",
    "redis_evicted_keys_total",
    "redis_keyspace_hits_total",
    "redis_keyspace_misses_total",
    "redis_memory_max_bytes",
    "redis_memory_used_bytes",
    "redis_rdb_last_bgsave_status",
    "redis_rdb_last_save_timestamp_seconds",
    "redis_aof_last_write_status",
    "redis_rejected_connections_total",
)


@pytest.fixture
def scrape(hosts, estate):
    """Ask the exporter of a host as Prometheus does."""
    if not estate.members("metrics"):
        not_applicable("no host of group metrics: nobody asks the exporters")
    return partial(ask, hosts.group("metrics")[0])


def ask(asker, host, port, certificate=f"--cert {PKI}/metrics-client.crt --key {PKI}/metrics-client.key"):
    url = f"https://{host.address}:{EXPORTER_PORT}/scrape?target=rediss://exporter@127.0.0.1:{port}"
    return asker.run(f"curl -sS --fail --max-time 10 --cacert {PKI}/ca.crt {certificate} '{url}'")


def value(text, name, labels=""):
    """A figure's value; the labels as they stand in the text."""
    found = re.search(rf"^{name}{re.escape(labels)}(?:{{[^}}]*}})? (\S+)$", text, re.MULTILINE)
    assert found, f"{name}{labels} is not exported"
    return float(found.group(1))


def test_every_role_is_exported(host, estate, scrape):
    """Memory and connections as the instance itself counts them, and all that the alerts are made of."""
    for role, one in estate.redis.redis_instances.items():
        text = scrape(host, one.port).stdout
        assert value(text, "redis_up") == 1, f"the exporter can't ask {role}"
        assert value(text, "redis_memory_max_bytes") == one.memory_mb * 1024 * 1024, f"{role}: another instance answers"
        missing = [name for name in FIGURES if f"\n{name}" not in text]
        assert not missing, f"{role}: {', '.join(missing)} are not exported"


def test_sentinel_is_exported(host, estate, scrape):
    text = scrape(host, estate.redis.redis_sentinel_port).stdout
    for role in estate.redis.redis_instances:
        assert re.search(rf'^redis_sentinel_master_status{{[^}}]*master_name="{role}"', text, re.MULTILINE), (
            f"no {role}"
        )
        sentinels = re.search(rf'^redis_sentinel_master_ok_sentinels{{[^}}]*"{role}"[^}}]*}} (\S+)', text, re.MULTILINE)
        assert sentinels and float(sentinels.group(1)) == len(estate.members("redis")), f"{role}: {sentinels}"


def test_the_blacklist_is_counted(host, estate, scrape, eventually):
    """Its size and its operations: one more after one more was asked for."""
    port = estate.redis.redis_instances["blacklist"].port

    def keys():
        return int(host.check_output("xteam-redis blacklist DBSIZE"))

    def scraped_between_two_looks():
        """Users log out meanwhile, and entries expire."""
        before, text, after = keys(), scrape(host, port).stdout, keys()
        exported = value(text, "redis_db_keys", '{db="db0"}')
        assert before == exported == after, f"exported are {exported:g} keys; there are {before}, then {after}"
        return text

    before = eventually(scraped_between_two_looks, seconds=30)
    host.check_output("xteam-redis blacklist EXISTS blacklist:xteam-check")
    calls = [value(text, "redis_commands_total", '{cmd="exists"}') for text in (scrape(host, port).stdout,)]
    earlier = re.search(r'^redis_commands_total{cmd="exists"} (\S+)$', before, re.MULTILINE)
    assert calls[0] > (float(earlier.group(1)) if earlier else 0), "an operation was not counted"


def test_exporter_refuses_unknown_certificates(host, estate, scrape):
    """Without a certificate of Prometheus."""
    port = estate.redis.redis_sentinel_port
    assert scrape(host, port, certificate="").rc != 0, "the exporter answers anyone"
    plain = host.run(f"curl -s --max-time 5 http://{host.address}:{EXPORTER_PORT}/metrics")
    assert "redis_" not in plain.stdout, "the exporter speaks plaintext"


def test_exporter_user_has_least_privilege(host, estate, secret):
    """It runs as nobody's account, on the host's address alone, and its password is not among its arguments."""
    shown = host.check_output(f"systemctl show -p MainPID -p DynamicUser -p UnitFileState {EXPORTER_UNIT}")
    found = dict(line.split("=", 1) for line in shown.splitlines())
    assert found["DynamicUser"] == "yes" and found["UnitFileState"] == "enabled", f"{EXPORTER_UNIT} is {found}"
    arguments = host.check_output(f"tr '\\0' ' ' < /proc/{found['MainPID']}/cmdline")
    for role in (*estate.redis.redis_instances, SENTINEL):
        assert secret(f"redis/{role}/exporter") not in arguments, f"{role}'s password is on the command line"
    listening = host.check_output(f"ss -Hltn sport = :{EXPORTER_PORT}").split()[3]
    assert listening == f"{host.address}:{EXPORTER_PORT}", f"the exporter listens on {listening}"

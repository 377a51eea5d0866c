"""The ways out of each host, rendered from what the layers declare."""

import subprocess

import pytest

from xteam_infra.engine.runtime import fill
from xteam_infra.layers.app.needs import ports
from xteam_infra.layers.firewall import ways as firewall
from xteam_infra.layers.firewall.outbound_facts import HostServices, NamesAndTime
from xteam_infra.layers.postgres.needs import BESIDE_POOL
from xteam_infra.plan.firewall_rules import firewall_rules
from xteam_infra.plan.outbound import outbound


def ways(estate, name, **more):
    return [one for one in outbound(estate, estate.machine(name), **more)]


def to(estate, name, port):
    return [one for one in ways(estate, name) if port in one.ports]


def addresses(estate, *names):
    return {f"{estate.machine(name).address}/32" for name in names}


def test_a_host_reaches_the_ports_that_are_for_it_and_no_others(ha):
    estate = ha.read()
    (database,) = to(estate, "app1", 5432)
    assert set(database.v4) == addresses(estate, "db1", "db2", "db3")
    assert database.accounts == ("haproxy", "postgres", "root")
    assert not to(estate, "app1", 2379) and not to(estate, "app1", 8432) and not to(estate, "edge1", 5432)
    assert not any(22 in one.ports for machine in estate.machines for one in ways(estate, machine.name))


def test_the_application_s_account_reaches_the_edges_alone(ha):
    """All else that it needs is on its own host; the smoke test runs as the application, through every edge."""
    estate = ha.read()
    its = [
        way for way in ways(estate, "app1") if "xteam" in way.accounts or not (way.accounts or "xteam" in way.without)
    ]
    assert [(way.ports, set(way.v4)) for way in its] == [((443,), addresses(estate, "edge1", "edge2"))]


def test_a_host_has_so_many_connections_to_a_port_of_another(ha):
    """The world's are the edges' to limit, and they theirs to the application."""
    ha.own["firewall_connections_per_peer"] = 300
    estate = ha.read()
    most = {
        (name, one.port): one.most
        for name in ("edge1", "app1", "db1", "redis1")
        for one in firewall_rules(estate, estate.machine(name))
    }
    assert most["db1", 5432] == 2 * estate.router.pgbouncer_server_connections + BESIDE_POOL
    assert most["db1", 8008] == 64 and most["redis1", 6381] == 300
    assert most["edge1", 443] == 0 and most["app1", ports(estate.app)["blue"]] == 0


def test_upstreams_and_the_tracker_are_the_application_s_alone(ha):
    ha.own.update(UPSTREAM_URL="https://api.upstream.test/v1", app_upstreams=("http://192.0.2.7:8080",))
    estate = ha.read()
    tracker = firewall.error_tracker(estate, estate.machine("app1"), lambda secret: "https://key@sentry.test/1")
    assert tracker == (), "no SENTRY_DSN"
    by_port = {one.ports: one for one in ways(estate, "app1") if one.comment.startswith("upstream")}
    assert by_port[(443,)].accounts == ("xteam",) and by_port[(443,)].anywhere
    assert by_port[(8080,)].v4 == ("192.0.2.7/32",)
    assert not [one for one in ways(estate, "db1") if one.comment.startswith("upstream")]


def test_the_bucket_is_the_backup_host_s(ha):
    ha.own.update(backup_s3_bucket="xteam-backups", backup_s3_region="eu-central-1", backup_s3_controller="own")
    estate = ha.read()
    (bucket,) = [one for one in ways(estate, "backup1") if one.comment == "bucket"]
    assert bucket.accounts == ("postgres", "root") and bucket.ports == (443,) and bucket.anywhere
    assert not [one for one in ways(estate, "db1") if one.comment == "bucket"]


def test_own_ways_out_where_they_are_asked_for(ha):
    rule = {
        "port": 587,
        "accounts": ("root",),
        "comment": "mail",
        "groups": ("backup",),
        "destinations": ("10.9.0.0/24",),
    }
    ha.own["extra_outbound"] = (rule,)
    estate = ha.read()
    having = [machine.name for machine in estate.machines if to(estate, machine.name, 587)]
    assert having == ["backup1"] and to(estate, "backup1", 587)[0].v4 == ("10.9.0.0/24",)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("extra_outbound", ({"port": 0, "accounts": ("root",), "comment": "x"},)),
        ("extra_outbound", ({"port": 1, "accounts": (), "comment": "x"},)),
        ("extra_outbound", ({"port": 1, "accounts": ("root",), "comment": 'x" accept #'},)),
        ("extra_outbound", ({"port": 1, "accounts": ("root",), "comment": "x", "destinations": ("everywhere",)},)),
        ("mirror_networks", ("mirror.test",)),
        ("name_servers", ("dns.test",)),
        ("metadata_accounts", ('root" }',)),
        ("app_upstreams", ("api.example.test",)),
    ],
)
def test_what_is_refused(ha, key, value):
    ha.own[key] = value
    assert any(found.startswith(key) for found in ha.problems())


def test_names_and_time(ha, local_host):
    found = NamesAndTime().process(["server=10.0.0.2", "server=127.0.0.53", "server=fe80::1%eth0", "clock=_chrony"])
    assert found == HostServices(("10.0.0.2", "fe80::1"), ("_chrony",))
    udp, tcp, time = firewall.names_and_time(ha.read(), found)
    assert (udp.protocol, tcp.protocol, udp.v4, udp.v6) == ("udp", "tcp", ("10.0.0.2/32",), ("fe80::1/128",))
    assert time.accounts == ("_chrony",) and time.anywhere
    assert isinstance(local_host.get_fact(NamesAndTime), HostServices)


def test_the_ruleset_is_one(ha, tmp_path):
    """As nft reads it, for every host; names of accounts are looked up on the host, so root stands for them here."""
    ha.own["metadata_accounts"] = ("root",)
    estate = ha.read()
    for machine in estate.machines:
        context = {
            "estate": estate,
            "firewall_rules": firewall_rules(estate, machine),
            "outbound": ways(estate, machine.name),
            "names_and_time": firewall.names_and_time(estate, HostServices(("10.0.0.2", "fd00::2"), ("root",))),
        }
        text = fill("firewall/nftables.conf.j2", context)
        for account in ("xteam-report", "xteam", "haproxy", "postgres", "etcd", "redis", "_apt"):
            text = text.replace(f'"{account}"', '"root"')
        assert text.count("policy drop") == 3 and text.count("goto refused") == 3
        file = tmp_path / "nftables.conf"
        file.write_text(text)
        done = subprocess.run(["nft", "-c", "-f", str(file)], capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{machine.name}: {done.stderr}\n{text}"

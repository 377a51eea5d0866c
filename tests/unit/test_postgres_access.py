"""PostgreSQL's access rules: rendered in one place from groups and addresses, added to by settings, or refused."""

import json

import pytest

from xteam_infra.layers.postgres.hba import hba, rules
from xteam_infra.layers.postgres.patroni import dynamic
from xteam_infra.plan.firewall_rules import firewall_rules

OWN = {
    "title": "Reports of the data team",
    "roles": ("readonly",),
    "databases": ("xteam",),
    "sources": ("10.9.0.0/24",),
}


def rule(**unlike):
    return {**OWN, **unlike}


def test_every_rule_stands_below_its_title(ha):
    lines = hba(ha.read())
    assert lines[0].startswith("# ") and lines[-2:] == [
        "# Nobody else, and nobody without TLS",
        "host all all all reject",
    ]
    titles = [line for line in lines if line.startswith("#")]
    assert len(titles) == len(set(titles)) >= 9


def test_members_know_the_application_by_its_hosts(ha):
    estate = ha.read()
    lines = hba(estate)
    for machine in estate.members("app"):
        assert f"hostssl xteam +xteam,+migrator,+readonly {machine.address}/32 scram-sha-256" in lines
    assert not [line for line in lines if estate.machine("redis1").address in line]


def test_roles_with_power_are_turned_away_before_anything_that_was_added(ha):
    ha.own["postgres_hba_rules"] = (rule(roles=("all",), databases=("all",)),)
    lines = hba(ha.read())
    turned_away = lines.index("hostssl all postgres,replicator,rewind,pgbouncer,backup all reject")
    assert turned_away < lines.index("hostssl all all 10.9.0.0/24 scram-sha-256")


def test_an_added_rule_is_in_the_cluster_and_in_the_firewall(ha):
    ha.own["postgres_hba_rules"] = (rule(sources=("10.9.0.0/24", "redis")), rule(title="Not these", method="reject"))
    estate = ha.read()
    lines = dynamic(estate)["postgresql"]["pg_hba"]
    place = lines.index("# Reports of the data team")
    assert lines[place + 1] == "hostssl xteam readonly 10.0.0.10/32 scram-sha-256"
    assert "hostssl xteam readonly 10.9.0.0/24 scram-sha-256" in lines
    (opening,) = [one for one in firewall_rules(estate, estate.machine("db1")) if one.port == 5432]
    assert {"10.9.0.0/24", f"{estate.machine('redis1').address}/32"} <= set(opening.v4)


def test_a_rule_for_a_group_without_hosts_is_no_rule_for_the_socket(ha):
    ha.hosts = {name: groups for name, groups in ha.hosts.items() if "edge" not in groups}
    ha.own["postgres_hba_rules"] = (rule(sources=("edge",)),)
    assert "# Reports of the data team" not in hba(ha.read())


@pytest.mark.parametrize("without", [{"logs", "metrics"}, {"postgres", "etcd", "logs", "metrics"}])
def test_the_rules_need_no_host_of_logs_or_metrics(ha, without):
    """deploys/all.py reads them on every inventory, also where no layer of theirs is applied."""
    ha.hosts = {name: groups for name, groups in ha.hosts.items() if not without & set(groups)}
    estate = ha.read()
    (rule,) = [one for one in rules(estate) if one.title == "Monitoring"]
    assert set(rule.networks) == {"127.0.0.1/32", *(f"{one.address}/32" for one in estate.members("postgres"))}


@pytest.mark.parametrize(
    ("changed", "key", "allowed"),
    [
        ({"sources": ("workers",)}, "postgres_hba_rules.0.sources", "did you mean worker?"),
        ({"sources": ("10.9.0.1/24",)}, "postgres_hba_rules.0.sources", "an address or a network"),
        ({"sources": ("0.0.0.0/0",)}, "postgres_hba_rules.0.sources", "narrower than /0"),
        ({"sources": ()}, "postgres_hba_rules.0.sources", "at least 1"),
        ({"roles": ("postgres",)}, "postgres_hba_rules.0.roles", "postgres has its own rules"),
        ({"roles": ('x" all',)}, "postgres_hba_rules.0.roles.0", "match pattern"),
        ({"method": "trust"}, "postgres_hba_rules.0.method", "scram-sha-256"),
        ({"title": "a\nhost all all all trust"}, "postgres_hba_rules.0.title", "match pattern"),
        ({"database": ("xteam",)}, "postgres_hba_rules.0.database", "not permitted"),
    ],
)
def test_rule_that_is_refused(declaration, changed, key, allowed):
    declaration.own["postgres_hba_rules"] = (rule(**changed),)
    said = declaration.problems()[key]
    assert "group_data/" in said and allowed in said, said


@pytest.mark.parametrize(
    ("value", "fault"),
    [
        ("postgres-postgres-xteam", "placeholder"),
        ("my-passw0rd-for-xteam-1", "placeholder"),
        ("xteamxteamxteamxteamxteam", "repeats a part"),
        ("aaaabbbbaaaabbbbaaab", "entropy is low"),
        ("pässwort-mit-umlauten-1234", "beyond ASCII"),
    ],
)
def test_known_or_weak_password(declaration, value, fault):
    declaration.store.write_text(json.dumps({"postgres/readonly": value}))
    declaration.store.chmod(0o600)
    said = declaration.problems()["postgres/readonly"]
    assert fault in said and "at least 20 random ASCII characters" in said
    assert value not in said, "the password itself is shown"


@pytest.mark.parametrize("name", ["backup", "rewind", "monitor"])
def test_role_of_another_purpose(declaration, name):
    declaration.own["POSTGRES_USER"] = name
    assert "a role of its own" in declaration.problems()["POSTGRES_USER"]

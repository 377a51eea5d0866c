"""Drills on the router: a replica that stays behind gets no reads, and gets them again when it has caught up."""

# ruff: noqa: S608 - the statements are made of this file's own words

import pytest

from checklist.run import not_applicable

STATISTICS = (
    'perl -MIO::Socket::UNIX -e \'$s = IO::Socket::UNIX->new("/run/xteam-router/admin.sock") or die $!; '
    'print $s "show stat\\n"; print while <$s>\''
)


def sql(host, statement):
    return host.check_output(f'cd / && runuser -u postgres -- psql -XAtqc "{statement}"')


def readable(host):
    """The replicas that get reads now."""
    lines = [line.split(",") for line in host.check_output(STATISTICS).splitlines()]
    members = [line for line in lines if line[0] == "postgres-replicas" and line[1] not in ("FRONTEND", "BACKEND")]
    return {line[1] for line in members if line[17].startswith("UP")}


@pytest.mark.item("DB-06", kind="drill")
@pytest.mark.group("app", first=True)
def test_a_replica_that_stays_behind_gets_no_reads(host, hosts, estate, eventually):
    """Its replay is held up while the leader writes more than the bound; the other replica takes the reads."""
    members = hosts.group("postgres")
    if len(members) < 3:
        not_applicable("fewer than three PostgreSQL hosts: no second replica")
    leader = next(one for one in members if sql(one, "SELECT pg_is_in_recovery()") == "f")
    late, other = [one for one in members if one is not leader]
    eventually(lambda: readable(host) == {late.name, other.name}, seconds=60, interval=1)
    megabytes = estate.postgres.postgres_replica_lag_max_mb + 8
    emit = "pg_logical_emit_message(false, 'drill', repeat('x', 1048576))"
    write = f"SELECT count({emit}) FROM generate_series(1, {megabytes})"
    sql(late, "SELECT pg_wal_replay_pause()")
    try:
        sql(leader, write)
        eventually(lambda: readable(host) == {other.name}, seconds=90, interval=1)
    finally:
        sql(late, "SELECT pg_wal_replay_resume()")
    eventually(lambda: readable(host) == {late.name, other.name}, seconds=90, interval=1)

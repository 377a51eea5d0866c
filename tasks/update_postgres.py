"""Newer minor versions of PostgreSQL and Patroni, one member at a time: replicas first, then a switchover, the old
leader last. Also restarts members that still run what was replaced, or whose parameters wait for a restart.

    pyinfra INVENTORY tasks/update_postgres.py

Refused unless every member runs (with --exclude NAME: but this one) and a replica has every commit. A new major version
is not supported; docs/operations/postgres.md
"""

from xteam_infra.engine.commands import loop
from xteam_infra.engine.operations import barrier
from xteam_infra.engine.operations.failure_hint import hint_on_failure
from xteam_infra.engine.runtime import here, open_estate
from xteam_infra.layers.postgres.rolling_update import leader_last, update_member

estate = open_estate()
order = leader_last(estate)
hint_on_failure(
    "The members that are done stay so, and the others go on with what they had: xteam-patronictl list, "
    f"docs/runbooks/failover.md. When the cluster is whole: pyinfra {estate.inventory} tasks/update_postgres.py"
)

for peer in loop(order):
    if peer == here():
        update_member(name=f"Update PostgreSQL and Patroni on {peer.name}")
    barrier(name=f"update: {peer.name} is up to date")

"""Replace the data of one Redis role by a snapshot. What it holds now is moved aside on every host, never deleted.

    pyinfra INVENTORY tasks/restore_redis.py --data redis_restore_role=queue \
        --data redis_restore_confirm="replace queue"

--data repository=2: from the bucket. docs/runbooks/redis-restore.md
"""

from xteam_infra.engine.operations import barrier
from xteam_infra.engine.runtime import here, open_estate
from xteam_infra.layers.redis_backup.needs import takes_backups
from xteam_infra.layers.redis_backup.restore import offer, refuse_unclear_restore, step, withdraw

estate = open_estate()
refuse_unclear_restore(estate)
role = estate.redis.redis_restore_role
assert role, "refused otherwise"
serves = "redis" in here().groups

# Until the snapshot is on the master's host and checked there, the role goes on serving.
if takes_backups(estate, here()):
    offer(
        role,
        estate.redis.redis_restore_snapshot,
        estate.backup.repository,
        name=f"Check and offer a snapshot of {role} from repository {estate.backup.repository}",
    )
barrier(name="the snapshot is offered")
if serves:
    step("fetch", role, name=f"Fetch the snapshot to the master of {role}")
barrier(name="the snapshot is at the master")

# Replicas with old data would be made master while the master restarts.
if serves:
    step("set-aside", role, name=f"Stop the replicas of {role} and move what they hold aside")
barrier(name="no replica runs")
if serves:
    step("replace", role, name=f"Start the master of {role} from the snapshot")
barrier(name="the master has the snapshot's data")
if serves:
    step("follow", role, name=f"Start the replicas of {role}")
barrier(name="the replicas follow")
if takes_backups(estate, here()):
    withdraw(name="Offer the snapshot no longer")

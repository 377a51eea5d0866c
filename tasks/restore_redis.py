"""Replace the data of one Redis role by a snapshot. What it holds now is moved aside on every host, never deleted.

    pyinfra INVENTORY tasks/restore_redis.py --data redis_restore_role=queue \
        --data redis_restore_confirm="replace queue"

--data repository=2: from the bucket. docs/runbooks/redis-restore.md
"""

from xteam_infra.engine.operations import barrier
from xteam_infra.engine.runtime import here, open_estate
from xteam_infra.layers.redis_backup.needs import takes_backups
from xteam_infra.layers.redis_backup.restore import offer, step, validate_restore, withdraw

estate = open_estate()
validate_restore(estate)
role = estate.redis.redis_restore_role
assert role, "refused otherwise"
serves = "redis" in here().groups

# Until the snapshot is on the master's host and checked there, the role goes on serving.
if takes_backups(estate, here()):
    offer(
        role,
        estate.redis.redis_restore_snapshot,
        estate.backup.repository,
        name=f"Check a snapshot of {role} from repository {estate.backup.repository} and serve it to the Redis hosts",
    )
barrier(name="restore: the snapshot is served")
if serves:
    step("fetch", role, name=f"Copy the snapshot to the Redis master of {role}")
barrier(name="restore: the snapshot is on the master's host")

# Replicas with old data would be made master while the master restarts.
if serves:
    step("set-aside", role, name=f"Stop the Redis replicas of {role} and move their data aside")
barrier(name="restore: replicas are stopped and empty")
if serves:
    step("replace", role, name=f"Start the Redis master of {role} from the snapshot")
barrier(name="restore: the master has the snapshot's data")
if serves:
    step("follow", role, name=f"Start the Redis replicas of {role}")
barrier(name="restore: the replicas follow")
if takes_backups(estate, here()):
    withdraw(name="Stop serving the snapshot")

"""Restore the databases. Into a scratch instance on the backup host; the cluster is never touched:

    pyinfra INVENTORY tasks/restore.py --limit backup --data target="2026-11-23 07:40:00+00"

In place, all databases of the cluster replaced by what they were:

    pyinfra INVENTORY tasks/restore.py --data target=... --data into=cluster --data confirm="DOMAIN TARGET"

docs/runbooks/restore.md
"""

from pyinfra import local

from xteam_infra.engine.absent import down, first_here, say_at_end, takes_part_whole
from xteam_infra.engine.commands import loop
from xteam_infra.engine.operations import barrier
from xteam_infra.engine.runtime import here, open_estate
from xteam_infra.layers.backup.needs import repositories
from xteam_infra.layers.backup.operations import aim, restore, step, validate_restore
from xteam_infra.layers.postgres.facts import CURL, HERE
from xteam_infra.layers.postgres.needs import CLUSTER, UNIT

estate = open_estate()
validate_restore(estate, partial=not takes_part_whole(estate))
settings = estate.backup
in_place = settings.into == "cluster"
members = estate.members("postgres")
is_member = in_place and here() in members
is_first = is_member and here() == first_here(members)

if not in_place and "backup" in here().groups:
    restore(settings, name=f"Restore to {settings.target} into a scratch instance")

if is_member:
    step("xteam-restore cluster-check", aim(settings), name="Require a backup of the target time and disk space for it")
barrier(name="restore: checks passed")

# The leader last: it archives what it wrote until then.
if is_member:
    step(f"{CURL} -f -o /dev/null {HERE}/primary || systemctl stop {UNIT}", name="Stop PostgreSQL's replicas")
barrier(name="restore: replicas are stopped")
if is_member:
    step(f"systemctl stop {UNIT}", name="Stop PostgreSQL's leader")
barrier(name="restore: the cluster is stopped")

if is_first:
    # In a unit of its own: a dropped connection does not end it. When it fails the old data directory is back.
    run = "systemd-run --quiet --wait --pipe --collect --unit=xteam-restore-in-place"
    step(
        run,
        "/usr/local/sbin/xteam-restore cluster",
        aim(settings),
        name="Restore PostgreSQL's data directory on the future leader",
    )
    # What etcd knows of the cluster (its last position, who may lead) is of the time after the target.
    step(
        f"printf '%s\\n' {CLUSTER} 'Yes I am aware' | xteam-patronictl remove {CLUSTER}",
        name="Remove the old cluster's state from etcd",
    )
    until = f"until {CURL} -f -o /dev/null {HERE}/primary; do sleep 0.5; done"
    step(
        f"systemctl start {UNIT} && timeout 300 sh -c '{until}'",
        name="Start PostgreSQL as leader with the restored data",
    )
barrier(name="restore: the restored database leads")

if is_member and not is_first:
    step("xteam-restore aside", name="Move the old data of PostgreSQL's replicas aside")
barrier(name="restore: replicas are empty")

for one in down(members) if in_place else ():
    say_at_end(
        f"{one.name} has the data from before the restore, and can't follow. When it is back, on it: "
        f"systemctl stop {UNIT} && xteam-restore aside, and then pyinfra {estate.inventory} deploys/postgres.py"
    )
if in_place:
    # Replicas copy the leader; parameters, roles and passwords are the present ones again.
    local.include("deploys/postgres.py")
    if "backup" in here().groups:
        for repository in loop(repositories(estate)):
            step(
                f"systemctl start xteam-backup@{repository.name}-full.service",
                name=f"Take a full backup into {repository.name}",
            )

"""What a release and a rollback have in common, once they have said what is to run: the lock, the layers, the record.

Included by tasks/release.py and tasks/rollback.py; a failure after the lock is taken leads back by itself.
"""

from pyinfra import local

from xteam_infra.engine.absent import down, first_here, say_at_end
from xteam_infra.engine.operations import barrier
from xteam_infra.engine.runtime import here, open_estate
from xteam_infra.layers.app import files as application
from xteam_infra.layers.app import releases as deployment
from xteam_infra.layers.app.deploy_lock import (
    journal,
    lock,
    notify,
    record,
    require_every_code_host,
    roll_back_on_failure,
    unlock,
)
from xteam_infra.layers.backup.migration_rehearsal import rehearse

estate = open_estate()
run = deployment.under_way(estate)
verb = run.verb
code_hosts = deployment.hosts(estate)
require_every_code_host(estate, code_hosts)
first = first_here(code_hosts)
for one in down(code_hosts):
    say_at_end(f"{one.name} has the release from before this {verb}, and serves it from its start until that run")
before = roll_back_on_failure(run, tuple(one.name for one in code_hosts))

if here() == first:
    lock(run, estate.app.deploy_lock_seconds, name=f"Take the deploy lock for the {verb}")
    notify(run, "begins", name=f"Notify the webhook that the {verb} begins")
barrier(name=f"{verb}: the deploy lock is held")

# Before anything is changed: on a copy of the data, beside its backups.
if verb == "release" and estate.app.rehearse and here() == first_here(estate.members("backup")):
    rehearse(application.release(estate), name="Run the release's migrations on a restored copy of the newest backup")
barrier(name=f"{verb}: checks passed")

local.include("deploys/app.py")
local.include("deploys/celery.py")
local.include("deploys/smoke.py")

if here() == first:
    record(run, before, name=f"Write the release record after the {verb}")
journal(run, "succeeded", name=f"Write the {verb} into the journal")
barrier(name=f"{verb}: recorded")
if here() == first:
    unlock(run, name=f"Drop the deploy lock after the {verb}")
    notify(run, "succeeded", name=f"Notify the webhook that the {verb} succeeded")
barrier(name=f"{verb}: done")

"""What a release and a rollback have in common, once they have said what is to run: the lock, the layers, the record.

Included by tasks/release.py and tasks/rollback.py; a failure after the lock is taken leads back by itself.
"""

from pyinfra import local

from xteam_infra.engine.absent import down, first_here, say_at_end
from xteam_infra.engine.operations import barrier
from xteam_infra.engine.runtime import here, open_estate
from xteam_infra.layers.app import files as application
from xteam_infra.layers.app import releases as deployment
from xteam_infra.layers.app.deploy_lock import announce, journal, lock, record, refuse_partial, unlock, way_back
from xteam_infra.layers.backup.migration_rehearsal import rehearse

estate = open_estate()
run = deployment.under_way(estate)
verb = run.verb
code_hosts = deployment.hosts(estate)
refuse_partial(estate, code_hosts)
first = first_here(code_hosts)
for one in down(code_hosts):
    say_at_end(f"{one.name} has the release from before this {verb}, and serves it from its start until that run")
before = way_back(run, tuple(one.name for one in code_hosts))

if here() == first:
    lock(run, estate.app.deploy_lock_seconds, name=f"Take the deploy lock for the {verb}")
    announce(run, "begins", name=f"Announce that the {verb} begins")
barrier(name=f"the {verb} is ours to make")

# Before anything is changed: on a copy of the data, beside its backups.
if verb == "release" and estate.app.rehearse and here() == first_here(estate.members("backup")):
    rehearse(application.release(estate), name="Rehearse the release's migrations on a copy of the newest backup")
barrier(name=f"the {verb} may change something")

local.include("deploys/app.py")
local.include("deploys/celery.py")
local.include("deploys/smoke.py")

if here() == first:
    record(run, before, name=f"Declare what runs after the {verb}")
journal(run, "succeeded", name=f"Write the {verb} into the journal")
barrier(name=f"the {verb} is recorded")
if here() == first:
    unlock(run, name=f"Give the deploy lock back after the {verb}")
    announce(run, "succeeded", name=f"Announce that the {verb} succeeded")
barrier(name=f"the {verb} is done")

"""What a release and a rollback have in common, once they have said what is to run: the lock, the layers, the record.

Included by deploys/release.py and deploys/rollback.py; a failure after the lock is taken leads back by itself.
"""

from pyinfra import local

from xteam_infra import application, deployment
from xteam_infra.operations import barrier
from xteam_infra.operations.deployment import announce, journal, lock, record, refuse_partial, unlock, way_back
from xteam_infra.operations.rehearsal import rehearse
from xteam_infra.runtime import here, open_estate

estate = open_estate()
run = deployment.under_way(estate)
verb = run.verb
first, code_hosts = deployment.hosts(estate)
refuse_partial(code_hosts)
before = way_back(run, code_hosts, first)

if here().name == first:
    lock(run, estate.app.deploy_lock_seconds, name=f"Take the deploy lock for the {verb}")
    announce(run, "begins", name=f"Announce that the {verb} begins")
barrier(name=f"the {verb} is ours to make")

# Before anything is changed: on a copy of the data, beside its backups.
if verb == "release" and estate.app.rehearse and here() == estate.members("backup")[0]:
    rehearse(application.release(estate), name="Rehearse the release's migrations on a copy of the newest backup")
barrier(name=f"the {verb} may change something")

local.include("deploys/app.py")
local.include("deploys/celery.py")
local.include("deploys/smoke.py")

if here().name == first:
    record(run, before, name=f"Declare what runs after the {verb}")
journal(run, "succeeded", name=f"Write the {verb} into the journal")
barrier(name=f"the {verb} is recorded")
if here().name == first:
    unlock(run, name=f"Give the deploy lock back after the {verb}")
    announce(run, "succeeded", name=f"Announce that the {verb} succeeded")
barrier(name=f"the {verb} is done")

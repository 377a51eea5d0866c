"""Go back to the release before: no version is needed, and nothing is built. A second rollback goes further back.

    pyinfra INVENTORY deploys/rollback.py

The database keeps its schema: a migration lets the release before it go on working. docs/runbooks/rollback.md
"""

from pyinfra import local

from xteam_infra import deployment
from xteam_infra.operations import barrier
from xteam_infra.operations.deployment import announce, journal, lock, record, refuse_partial, unlock, way_back
from xteam_infra.runtime import here, open_estate

estate = open_estate()
run = deployment.begin_rollback(estate)
first, code_hosts = deployment.hosts(estate)
refuse_partial(code_hosts)
before = way_back(run, code_hosts, first)

if here().name == first:
    lock(run, estate.app.deploy_lock_seconds, name="Take the deploy lock for the rollback")
    announce(run, "begins", name="Announce that the rollback begins")
barrier(name="the rollback is ours to make")

local.include("deploys/app.py")
local.include("deploys/celery.py")
local.include("deploys/smoke.py")

if here().name == first:
    record(run, before, name="Declare the release before as the one to run")
journal(run, "succeeded", name="Write the rollback into the journal")
barrier(name="the rollback is recorded")
if here().name == first:
    unlock(run, name="Give the deploy lock back after the rollback")
    announce(run, "succeeded", name="Announce that the rollback succeeded")
barrier(name="the rollback is done")

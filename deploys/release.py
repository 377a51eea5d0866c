"""Release a version of the application: host by host, without a failed request, and back again if anything fails.

    pyinfra INVENTORY deploys/release.py --data version=v1.2.3

The version: a ref of app_source if that is a git address, a version if it is NAME==VERSION of a package index; or a
directory, a wheel, NAME==VERSION, ADDRESS@REF of git.
docs/runbooks/release.md
"""

from pyinfra import local

from xteam_infra import deployment
from xteam_infra.operations import barrier
from xteam_infra.operations.deployment import announce, journal, lock, record, refuse_partial, unlock, way_back
from xteam_infra.runtime import here, open_estate

estate = open_estate()
run = deployment.begin_release(estate, estate.app.version)
first, code_hosts = deployment.hosts(estate)
refuse_partial(code_hosts)
before = way_back(run, code_hosts, first)

if here().name == first:
    lock(run, estate.app.deploy_lock_seconds, name="Take the deploy lock for the release")
    announce(run, "begins", name="Announce that the release begins")
barrier(name="the release is ours to make")

local.include("deploys/app.py")
local.include("deploys/celery.py")
local.include("deploys/smoke.py")

if here().name == first:
    record(run, before, name="Declare the release as the one to run")
journal(run, "succeeded", name="Write the release into the journal")
barrier(name="the release is recorded")
if here().name == first:
    unlock(run, name="Give the deploy lock back after the release")
    announce(run, "succeeded", name="Announce that the release succeeded")
barrier(name="the release is done")

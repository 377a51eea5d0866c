"""Release a version of the application: host by host, without a failed request, and back again if anything fails.

    pyinfra INVENTORY tasks/release.py --data version=v1.2.3

The version: a ref of app_source if that is a git address, a version if it is NAME==VERSION of a package index; or a
directory, a wheel, NAME==VERSION, ADDRESS@REF of git.
docs/runbooks/release.md
"""

from pyinfra import local

from xteam_infra.engine.runtime import open_estate
from xteam_infra.layers.app import releases as deployment

estate = open_estate()
deployment.begin_release(estate, estate.app.version)
local.include("tasks/rollout.py")

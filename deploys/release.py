"""Release a version of the application: host by host, without a failed request, and back again if anything fails.

    pyinfra INVENTORY deploys/release.py --data version=v1.2.3

The version: a ref of app_source if that is a git address, a version if it is NAME==VERSION of a package index; or a
directory, a wheel, NAME==VERSION, ADDRESS@REF of git.
docs/runbooks/release.md
"""

from pyinfra import local

from xteam_infra import deployment
from xteam_infra.runtime import open_estate

estate = open_estate()
deployment.begin_release(estate, estate.app.version)
local.include("deploys/put_in_use.py")

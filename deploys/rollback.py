"""Go back to the release before: no version is needed, and nothing is built. A second rollback goes further back.

    pyinfra INVENTORY deploys/rollback.py

The database keeps its schema: a migration lets the release before it go on working. docs/runbooks/rollback.md
"""

from pyinfra import local

from xteam_infra import deployment
from xteam_infra.runtime import open_estate

deployment.begin_rollback(open_estate())
local.include("deploys/put_in_use.py")

"""Go back to the release before: no version is needed, and nothing is built. A second rollback goes further back.

    pyinfra INVENTORY tasks/rollback.py

The database keeps its schema: a migration lets the release before it go on working. docs/runbooks/rollback.md
"""

from pyinfra import local

from xteam_infra.engine.runtime import open_estate
from xteam_infra.layers.app import releases as deployment

deployment.begin_rollback(open_estate())
local.include("tasks/rollout.py")

"""Restore the database to a moment, into a scratch instance on the backup host. The cluster is never touched.

    pyinfra INVENTORY deploys/restore.py --limit backup --data target="2026-11-23 07:40:00+00"

docs/runbooks/restore.md
"""

from xteam_infra.operations.backup import refuse_unclear_restore, restore
from xteam_infra.runtime import here, open_estate

estate = open_estate()
refuse_unclear_restore(estate)

if "backup" in here().groups:
    restore(
        estate.backup.target,
        estate.backup.replace,
        name=f"Restore to {estate.backup.target} into a scratch instance",
    )

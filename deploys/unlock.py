"""Open closed trees with the recovery key: for the day on which no key host is left (docs/runbooks/unlock.md)."""

from xteam_infra.operations.storage import recovered
from xteam_infra.plan.storage import encrypts
from xteam_infra.runtime import here, open_estate

estate = open_estate()

if encrypts(estate, here()):
    recovered(estate.storage.storage_recovery, name="Open the encrypted tree with the recovery key")

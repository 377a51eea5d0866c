"""Open closed trees with the recovery key: for the day on which no key host is left (docs/runbooks/unlock.md)."""

from xteam_infra.engine.runtime import here, open_estate
from xteam_infra.layers.storage.needs import encrypts
from xteam_infra.layers.storage.operations import recovered

estate = open_estate()

if encrypts(estate, here()):
    recovered(estate.storage.storage_recovery, name="Open the encrypted tree with the recovery key")

"""Unlock encrypted directories with the recovery key: for the day on which no Tang server is left
(docs/runbooks/unlock.md)."""

from xteam_infra.engine.runtime import here, open_estate
from xteam_infra.layers.storage.needs import encrypts
from xteam_infra.layers.storage.operations import recovered

estate = open_estate()

if encrypts(estate, here()):
    recovered(estate.storage.storage_recovery, name="Unlock the encrypted directory with the recovery key")

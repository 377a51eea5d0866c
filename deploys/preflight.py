"""May these hosts be changed at all? Reads every host; changes none."""

from xteam_infra.engine.operations import barrier
from xteam_infra.engine.preflight import validate_hosts
from xteam_infra.engine.runtime import open_estate
from xteam_infra.layers.storage.operations import validate_volumes

open_estate()
validate_hosts()
validate_volumes()
barrier(name="preflight: passed on every host")

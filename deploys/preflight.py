"""May these hosts be changed at all? Reads every host; changes none."""

from xteam_infra.engine.operations import barrier
from xteam_infra.engine.preflight import refuse_unfit_hosts
from xteam_infra.engine.runtime import open_estate
from xteam_infra.layers.storage.operations import refuse_unfit_volumes

open_estate()
refuse_unfit_hosts()
refuse_unfit_volumes()
barrier(name="preflight passed on every host")

"""May these hosts be changed at all? Reads every host; changes none."""

from xteam_infra.operations import barrier
from xteam_infra.operations.storage import refuse_unfit_volumes
from xteam_infra.preflight import refuse_unfit_hosts
from xteam_infra.runtime import open_estate

open_estate()
refuse_unfit_hosts()
refuse_unfit_volumes()
barrier(name="preflight passed on every host")

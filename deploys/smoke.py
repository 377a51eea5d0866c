"""What a user does, once, through every edge: after a change, and as the last word on a release."""

from xteam_infra.engine.absent import first_here, up
from xteam_infra.engine.commands import loop
from xteam_infra.engine.operations import barrier
from xteam_infra.engine.runtime import here, open_estate
from xteam_infra.layers.app import files as application
from xteam_infra.layers.app.operations import smoke

estate = open_estate()
api_hosts = estate.members("app")

for edge in loop(up(estate.members("edge"))):
    if here() == first_here(api_hosts):
        smoke(estate, edge, application.release(estate), name=f"Run the smoke test through edge {edge.name}")
barrier(name="smoke: passed")

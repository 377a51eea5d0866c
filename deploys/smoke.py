"""What a user does, once, through every edge: after a change, and as the last word on a release."""

from pyinfra import host

from xteam_infra import application
from xteam_infra.absent import first_here, up
from xteam_infra.operations import barrier
from xteam_infra.operations.app import smoke
from xteam_infra.runtime import here, open_estate

estate = open_estate()
api_hosts = estate.members("app")

for edge in host.loop(up(estate.members("edge"))):
    if here() == first_here(api_hosts):
        smoke(estate, edge, application.release(estate), name=f"Use the application through {edge.name} as a user does")
barrier(name="smoke is laid")

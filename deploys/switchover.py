"""Hand the leadership of PostgreSQL over, and return when the new leader serves and every other member follows it.

    pyinfra INVENTORY deploys/switchover.py [--data candidate=db2]

docs/runbooks/failover.md
"""

from xteam_infra.absent import first_here
from xteam_infra.operations import barrier
from xteam_infra.operations.switchover import handed_over, refuse_unfit_handover
from xteam_infra.runtime import here, open_estate

estate = open_estate()
members = estate.members("postgres")
refuse_unfit_handover(estate)

if here() == first_here(members):
    handed_over(estate.postgres.candidate, name=f"Hand over to {estate.postgres.candidate or 'the fittest replica'}")
barrier(name="the new leader serves and all members follow it")

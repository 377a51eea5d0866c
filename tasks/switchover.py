"""Hand the leadership of PostgreSQL over, and return when the new leader serves and every other member follows it.

    pyinfra INVENTORY tasks/switchover.py [--data candidate=db2]

docs/runbooks/failover.md
"""

from xteam_infra.engine.absent import first_here
from xteam_infra.engine.operations import barrier
from xteam_infra.engine.runtime import here, open_estate
from xteam_infra.layers.postgres.switchover import handed_over, validate_switchover

estate = open_estate()
members = estate.members("postgres")
validate_switchover(estate)

if here() == first_here(members):
    handed_over(
        estate.postgres.candidate,
        name=f"Hand over PostgreSQL's leadership to {estate.postgres.candidate or 'the fittest replica'}",
    )
barrier(name="switchover: the new leader serves and all members follow it")

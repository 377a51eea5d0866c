"""Tasks that failed for good: list them with their reason, send them again, or forget them.

    pyinfra INVENTORY tasks/dead_letters.py
    pyinfra INVENTORY tasks/dead_letters.py --data dead_letters=replay --data ids=ID,ID
    pyinfra INVENTORY tasks/dead_letters.py --data dead_letters=purge --data ids=all --data task=xteam.mail

docs/runbooks/dead-letters.md
"""

from xteam_infra.engine.absent import first_here
from xteam_infra.engine.operations import barrier
from xteam_infra.engine.runtime import here, open_estate
from xteam_infra.layers.celery.dead_letters import dead_letters, validate_dead_letters

estate = open_estate()
members = estate.members("worker")
validate_dead_letters(estate)

if here() == first_here(members):
    wanted = estate.celery
    dead_letters(wanted.dead_letters, wanted.ids, wanted.task, name=f"Handle dead letters: {wanted.dead_letters}")
barrier(name="dead letters: handled")

"""Reboot hosts that wait for it, one after another, each only while everything else is whole.

    pyinfra INVENTORY tasks/reboot.py --dry                     # who would be rebooted, in which order
    pyinfra INVENTORY tasks/reboot.py                           # those that wait for it
    pyinfra INVENTORY tasks/reboot.py --data hosts=db1,db2      # these, whether they wait or not
    pyinfra INVENTORY tasks/reboot.py --data now=true           # also outside of updates_reboot_window

docs/operations/updates.md
"""

from xteam_infra.engine.commands import loop
from xteam_infra.engine.operations import barrier
from xteam_infra.engine.operations.failure_hint import hint_on_failure
from xteam_infra.engine.runtime import here, open_estate
from xteam_infra.layers.base.reboot import in_order, reboot

estate = open_estate()
order = in_order(estate)
hint_on_failure(
    "The hosts before it are done, those after it were left alone. What is not well: xteam-updates whole, on the host; "
    f"docs/runbooks/updates.md. Then again: pyinfra {estate.inventory} tasks/reboot.py"
)

# Over all machines: pyinfra tells operations apart by the turn of the loop.
for peer in loop(order):
    if peer == here():
        reboot(name=f"Reboot {peer.name}")
    barrier(name=f"reboot: {peer.name} is back and every cluster is healthy")

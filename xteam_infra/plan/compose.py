"""Puts together what every layer needs of every host."""

from functools import lru_cache
from importlib import import_module

from xteam_infra.estate import Estate
from xteam_infra.layers import NAMES
from xteam_infra.machine import Machine
from xteam_infra.plan.host_plan import HostPlan


@lru_cache(maxsize=4)
def plans(estate: Estate) -> dict[str, HostPlan]:
    """The host plan of each machine, by its name."""
    return {machine.name: _plan(estate, machine) for machine in estate.machines}


def _plan(estate: Estate, machine: Machine) -> HostPlan:
    needs = {name: import_module(f"xteam_infra.layers.{name}.needs").needs(estate, machine) for name in NAMES}
    return HostPlan(machine.name, needs)

"""What holds over all layers at once."""

from fnmatch import fnmatch

import pytest

from xteam_infra.layers.base.needs import SYSTEM_UNITS
from xteam_infra.plan.compose import plans

# Of the instances of the API, test_orchestration starts and kills the other one.
pytestmark = pytest.mark.serial("instances")
PASSING = {"activating", "deactivating", "reloading", "refreshing"}


@pytest.mark.item("POST-01")
def test_every_unit_runs(host, estate, eventually):
    """All units that the host's layers need are active and start at boot; none of the system failed."""
    units = sorted(plans(estate)[host.name].units)

    def settled():
        """Other checks have the watch restart a worker, and reload the pooler and the edge."""
        states = host.check_output(f"systemctl show --property Id,ActiveState,UnitFileState {' '.join(units)}")
        found = [dict(line.split("=", 1) for line in block.splitlines()) for block in states.split("\n\n")]
        passing = [unit["Id"] for unit in found if unit["ActiveState"] in PASSING]
        assert not passing, f"{', '.join(passing)} are between two states"
        return found

    found = eventually(settled, seconds=120, interval=1)
    assert len(found) >= len(units), f"of {', '.join(units)} only {len(found)} are known"
    for unit in found:
        assert unit["ActiveState"] == "active", f"{unit['Id']} is {unit['ActiveState']}"
        assert unit["UnitFileState"] in ("enabled", "static", "enabled-runtime"), f"{unit['Id']} does not start at boot"
    failed = host.check_output("systemctl list-units --failed --plain --no-legend")
    assert not failed, f"failed: {failed}"


def test_no_undeclared_unit_runs_or_is_enabled(host, estate):
    """Debian's packages enable their units by themselves: such a one starts at the next boot, if not before."""
    plan = plans(estate)[host.name]
    # What a timer or a socket of the plan starts.
    starters = [unit.rsplit(".", 1)[0] for unit in plan.units if unit.endswith((".timer", ".socket"))]
    started = [f"{name}{kind}" for name in starters for kind in (".service", "@*.service")]
    asked = [*plan.units, *started, *SYSTEM_UNITS, *estate.base.own_units]

    def unknown():
        enabled = host.check_output("systemctl list-unit-files --plain --no-legend --state=enabled").splitlines()
        kinds = "--type=service,socket,timer,path --state=running,listening,waiting"
        running = host.check_output(f"systemctl list-units --plain --no-legend {kinds}").splitlines()
        names = {line.split()[0] for line in (*enabled, *running)}
        strange = sorted(name for name in names if not any(fnmatch(name, pattern) for pattern in asked))
        if not strange:
            return set()
        # systemd-run's, of other checks and of deploys, are gone with their end.
        lasting = host.check_output(f"systemctl show --property Id,LoadState,Transient {' '.join(strange)}")
        found = [dict(line.split("=", 1) for line in block.splitlines()) for block in lasting.split("\n\n")]
        # One that has just ended is not known any more.
        there = [unit for unit in found if unit.get("LoadState") != "not-found"]
        return {unit["Id"] for unit in there if unit.get("Transient") != "yes"}

    found = unknown()
    assert not found, f"no layer asked for {', '.join(sorted(found))}"

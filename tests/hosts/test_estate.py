"""What holds over all layers at once."""

import pytest

# Of the instances of the API, test_orchestration starts and kills the other one.
pytestmark = pytest.mark.one_by_one("instances")
PASSING = {"activating", "deactivating", "reloading", "refreshing"}


@pytest.mark.item("POST-01")
def test_every_unit_runs(host, estate, eventually):
    """All units that the host's layers need are active and start at boot; none of the system failed."""
    units = sorted(estate.plans[host.name].units)

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

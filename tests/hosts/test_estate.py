"""What holds over all layers at once."""

import pytest

# Of the instances of the API, test_orchestration starts and kills the other one.
pytestmark = pytest.mark.one_by_one("instances")


@pytest.mark.item("POST-01")
def test_every_unit_runs(host, estate):
    """All units that the host's layers need are active and start at boot; none of the system failed."""
    units = sorted(estate.plans[host.name].units)
    states = host.check_output(f"systemctl show --property Id,ActiveState,UnitFileState {' '.join(units)}")
    blocks = states.split("\n\n")
    assert len(blocks) >= len(units), f"of {', '.join(units)} only {len(blocks)} are known"
    for block in blocks:
        unit = dict(line.split("=", 1) for line in block.splitlines())
        assert unit["ActiveState"] == "active", f"{unit['Id']} is {unit['ActiveState']}"
        assert unit["UnitFileState"] in ("enabled", "static", "enabled-runtime"), f"{unit['Id']} does not start at boot"
    failed = host.check_output("systemctl list-units --failed --plain --no-legend")
    assert not failed, f"failed: {failed}"

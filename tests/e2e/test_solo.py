"""One host carrying every role, from bare to verified, then broken once in every layer."""

from pathlib import Path

import pytest

from checklist.mutations import load
from tests.e2e import leak
from tests.e2e.estate import EstateTests
from tests.e2e.lab_session import LabSession
from xteam_infra.layers import NAMES


class TestSolo(EstateTests):
    least_passed = 82

    @pytest.fixture
    def session(self, solo: LabSession) -> LabSession:
        return solo

    def test_breaking_a_host_turns_exactly_its_checks_red(self, session: LabSession) -> None:
        """The first mutation of each layer; `pytest tests/mutations --inventory ...` takes all of them.

        From the last layer to the first: healing a layer rewrites files that later layers read too.
        """
        first: dict[str, str] = {}
        for mutation in load(Path("tests/mutations")):
            first.setdefault(mutation.layer, f"{mutation.layer}-{mutation.id}")
        chosen = [first[layer] for layer in reversed(NAMES) if layer in first]
        done = session.pytest("mutations", *(f"tests/mutations/test_mutations.py::test_mutation[{n}]" for n in chosen))
        assert done.returncode == 0, done.stderr
        assert leak.found_in(session.logs(), session.secrets()) == []

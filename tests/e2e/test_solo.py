"""One host with every role, from bare to verified."""

import pytest

from tests.e2e.estate import EstateTests
from tests.e2e.road import Road


class TestSolo(EstateTests):
    least_passed = 30
    skip_mutations = 0

    @pytest.fixture
    def road(self, solo: Road) -> Road:
        return solo

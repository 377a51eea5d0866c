"""The full estate on twelve hosts in two regions, from bare to verified."""

import pytest

from tests.e2e.estate import EstateTests
from tests.e2e.road import Road


class TestHa(EstateTests):
    least_passed = 84

    @pytest.fixture
    def road(self, ha: Road) -> Road:
        return ha

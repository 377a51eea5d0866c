"""The full estate on twelve hosts in two regions, from bare to verified."""

import pytest

from tests.e2e.estate import EstateTests
from tests.e2e.lab_session import LabSession


class TestHa(EstateTests):
    least_passed = 84

    @pytest.fixture
    def session(self, ha: LabSession) -> LabSession:
        return ha

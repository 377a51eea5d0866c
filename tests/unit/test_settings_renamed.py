"""An old name of a setting is refused, wherever it stands, with the new one named and without its value."""

import pytest

from xteam_infra.settings import OWNER_OF_KEY
from xteam_infra.settings.renamed import RENAMED

OLD, NEW = "redis_down_after", "redis_down_after_ms"


@pytest.fixture(autouse=True)
def renamed(monkeypatch):
    monkeypatch.setitem(RENAMED, OLD, NEW)


@pytest.mark.parametrize("place", ["layer", "own"])
def test_the_new_name_is_told_and_the_value_is_not(declaration, place):
    written = declaration.own if place == "own" else declaration.layers.setdefault("redis", {})
    written[OLD] = "a value that may be a secret"
    said = declaration.problems()[OLD]
    assert f"{OLD} is now {NEW}" in said and "secret" not in said, said


def test_every_new_name_is_a_setting_and_no_old_one_is():
    assert not set(RENAMED) & set(OWNER_OF_KEY)
    assert not [name for name in RENAMED.values() if name not in OWNER_OF_KEY]

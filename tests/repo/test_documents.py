"""Documents that are made from what they describe, and so must be equal to it."""

import re
from pathlib import Path

import pytest

from tests.unit.conftest import HA, Declaration
from xteam_infra.reference import environment_page as environment
from xteam_infra.reference import ports_page
from xteam_infra.reference import settings_page as document
from xteam_infra.reference.architecture_page import mermaid

PROJECT = Path(__file__).parents[2]


@pytest.mark.item("DOC-02")
def test_every_variable_and_setting_is_documented():
    assert not list(environment.problems())
    assert environment.PATH.read_text() == environment.document(), f"run python -m {environment.__name__}"
    assert document.PATH.read_text() == document.document(), f"run python -m {document.__name__}"


@pytest.mark.item("DOC-02")
def test_a_new_variable_is_missed():
    """Else the check above could not fail."""
    assert environment.variables('A="1"\n# B="2"\n{{ name }}="x"\n') == ["A", *environment.secrets()]
    assert environment.variables("[Service]\nEnvironment=C=1\n") == ["C"]


@pytest.mark.item("DOC-05")
def test_the_architecture_is_drawn_as_it_is_planned(tmp_path):
    estate = Declaration(tmp_path / "secrets.json", dict(HA)).read()
    page = (PROJECT / "docs/reference/architecture.md").read_text()
    drawn = re.search(r"```mermaid\n(.*?)```", page, re.DOTALL)
    assert drawn and drawn[1] == mermaid(estate), "run python -m xteam_infra.plan inventories/lab.py diagram (ha)"


@pytest.mark.item("DOC-05")
def test_ports_and_units_are_listed_as_they_are_planned(tmp_path):
    estate = Declaration(tmp_path / "secrets.json", dict(HA)).read()
    _, begin, listed = (PROJECT / "docs/reference/ports.md").read_text().partition("## every host")
    assert begin + listed == ports_page.document(estate), "run python -m xteam_infra.plan inventories/lab.py ports (ha)"
    changed = Declaration(tmp_path / "secrets.json", dict(HA), {"app_port": 8100}).read()
    assert begin + listed != ports_page.document(changed)


@pytest.mark.item("DOC-05")
def test_the_drawing_follows_the_plan(tmp_path):
    """Else the check above could not fail: another port or host is another picture."""
    hosts = {**HA, "edge3": ("edge",)}
    more = Declaration(tmp_path / "secrets.json", hosts, {"app_port": 8100}).read()
    drawn = mermaid(more)
    assert "edge3" in drawn and "8100" in drawn

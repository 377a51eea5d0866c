"""The house: which module may import which, and what a new layer needs."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from xteam_infra.estate import Estate
from xteam_infra.layers import LAYERS, NAMES
from xteam_infra.settings import MODELS

PROJECT = Path(__file__).parents[2]
PACKAGE = PROJECT / "xteam_infra"
# Modules that import others by name: one of each layer's.
BY_NAME = {
    "xteam_infra.settings": {f"xteam_infra.settings.{layer.name}" for layer in LAYERS if layer.settings},
    "xteam_infra.plan.compose": {f"xteam_infra.layers.{name}.needs" for name in NAMES},
    "xteam_infra.validate": {f"xteam_infra.layers.{name}.rules" for name in NAMES},
}
# What the ground stands on. None of these imports an estate, a plan or what a layer knows.
GROUND = ("errors", "machine", "layers", "settings", "secrets", "cloud", "on_host")
MOST_LOOSE = 5


def name_of(path: Path) -> str:
    return ".".join(path.relative_to(PROJECT).with_suffix("").parts).removesuffix(".__init__")


MODULES = {name_of(path): path for path in PACKAGE.rglob("*.py")}


def imported(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (one.name for one in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{one.name}" for one in node.names)


def arrows(name: str) -> set[str]:
    """The modules that this one imports, with the packages they are in, which Python runs too."""
    found = set()
    for one in {*imported(MODULES[name]), *BY_NAME.get(name, set())} & set(MODULES):
        parts = one.split(".")
        found |= {".".join(parts[:end]) for end in range(2, len(parts) + 1)}
    return {one for one in found if one != name and not name.startswith(f"{one}.")}


def circles(graph: dict[str, set[str]]) -> Iterator[str]:
    """Modules from which one comes back to them."""
    for name in graph:
        seen: set[str] = set()
        ahead = set(graph[name])
        while ahead:
            seen |= ahead
            ahead = {after for one in ahead for after in graph[one]} - seen
        if name in seen:
            yield name


def test_no_circle_of_imports():
    assert sorted(circles({name: arrows(name) for name in MODULES})) == []


def test_modules_are_imported_by_name_only_where_this_test_knows():
    free = {name for name in MODULES if not name.startswith("xteam_infra.on_host.")}
    assert {name for name in free if "import_module(" in MODULES[name].read_text()} == set(BY_NAME)


@pytest.mark.parametrize("ground", ["errors", "machine", "layers", "settings"])
def test_the_ground_floor_imports_nothing_above_it(ground):
    names = [name for name in MODULES if name == f"xteam_infra.{ground}" or name.startswith(f"xteam_infra.{ground}.")]
    if ground == "layers":
        names = ["xteam_infra.layers"]  # the registration, not the layers
    assert names
    for name in names:
        above = {
            one for one in arrows(name) if one.split(".")[1] not in GROUND or one.startswith("xteam_infra.layers.")
        }
        assert not above, f"{name} imports {', '.join(sorted(above))}"


def test_programs_of_hosts_import_nothing_of_the_project():
    for name, path in MODULES.items():
        if name.startswith("xteam_infra.on_host"):
            found = {one for one in imported(path) if one.split(".")[0] in ("xteam_infra", "checklist", "lab")}
            assert not found, f"{name} imports {', '.join(sorted(found))}"


def test_few_modules_lie_outside_of_packages():
    loose = [path.name for path in PACKAGE.glob("*.py") if path.name != "__init__.py"]
    assert len(loose) <= MOST_LOOSE, f"{', '.join(sorted(loose))}: what one layer knows is in its folder"


def test_a_layer_is_registered_once():
    fields = {
        name: one.annotation for name, one in Estate.model_fields.items() if name not in ("inventory", "machines")
    }
    wanted = {model.layer: model for model in MODELS}
    assert fields == wanted, "give Estate (xteam_infra/estate.py) one field NAME: NAMESettings for each row of LAYERS"
    for folder in (PACKAGE / "layers").glob("[a-z]*/"):
        assert folder.name in NAMES, f"add Layer({folder.name!r}) to LAYERS in xteam_infra/layers/__init__.py"
    for name in NAMES:
        assert (PACKAGE / "layers" / name / "needs.py").exists(), (
            f"{name}: `needs` in xteam_infra/layers/{name}/needs.py"
        )

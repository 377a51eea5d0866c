"""From pyinfra's group data to typed settings. Collects every problem instead of stopping at the first."""

from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from xteam_infra.errors import Problem
from xteam_infra.layers import GROUPS
from xteam_infra.settings import BY_LAYER, OWNER_OF_KEY
from xteam_infra.settings.model import LayerSettings
from xteam_infra.settings.renamed import RENAMED

# Keys that belong to pyinfra itself: connection data and global arguments.
PYINFRA_PREFIXES = ("_", "ssh_")


@dataclass
class Loader:
    """Reads one inventory's data; `values` per layer and `problems` are the result."""

    inventory_name: str
    values: dict[str, dict[str, Any]] = field(default_factory=lambda: {layer: {} for layer in BY_LAYER})
    origin: dict[str, str] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)

    def read(self, all_data: dict[str, Any], group_data: dict[str, dict[str, Any]], overrides: dict[str, Any]) -> None:
        """Take all.py, then each layer's file, then the inventory's own file, then --data."""
        self._layer_file("all", all_data)
        for layer in BY_LAYER:
            if layer != "all":
                self._layer_file(layer, group_data.get(layer, {}))
        own = self.inventory_name
        self._override(f"group_data/{own}.py", group_data.get(own, {}))
        self._override("--data", overrides)
        self._validate_groups(group_data)

    def models(self) -> dict[str, LayerSettings]:
        """The typed settings per layer; layers whose values are wrong are left out and reported."""
        found = {}
        for layer, model in BY_LAYER.items():
            try:
                found[layer] = model(**self.values[layer])
            except ValidationError as error:
                self.problems += [self._problem(layer, line) for line in error.errors()]
        return found

    def _layer_file(self, layer: str, data: dict[str, Any]) -> None:
        file = f"group_data/{layer}.py"
        for key, value in data.items():
            if key.startswith(PYINFRA_PREFIXES):
                continue
            owner = OWNER_OF_KEY.get(key)
            if owner == layer:
                self.values[layer][key], self.origin[key] = value, file
            elif owner:
                self.problems.append(Problem(file, key, repr(value), f"this key belongs in group_data/{owner}.py"))
            else:
                self._unknown(file, key, value)

    def _override(self, file: str, data: dict[str, Any]) -> None:
        for key, value in data.items():
            if key.startswith(PYINFRA_PREFIXES):
                continue
            if owner := OWNER_OF_KEY.get(key):
                self.values[owner][key], self.origin[key] = value, file
            else:
                self._unknown(file, key, value)

    def _unknown(self, file: str, key: str, value: object) -> None:
        if key in RENAMED:
            # Without the value: it may be a secret.
            self.problems.append(Problem(file, key, "the old name of a setting", f"{key} is now {RENAMED[key]}"))
            return
        near = get_close_matches(key, OWNER_OF_KEY, 1)
        hint = f"unknown key; did you mean {near[0]}?" if near else "unknown key; docs/reference/settings.md lists all"
        self.problems.append(Problem(file, key, repr(value), hint))

    def _validate_groups(self, group_data: dict[str, dict[str, Any]]) -> None:
        known = {*GROUPS, *BY_LAYER, self.inventory_name}
        for group in group_data:
            if group not in known and not Path("inventories", f"{group}.py").exists():
                near = get_close_matches(group, known, 1)
                hint = f"; did you mean {near[0]}?" if near else ""
                groups = ", ".join(GROUPS)
                self.problems.append(
                    Problem(f"inventories/{self.inventory_name}.py", group, "unknown group", f"{groups}{hint}")
                )

    def _problem(self, layer: str, line: ErrorDetails) -> Problem:
        key = ".".join(str(part) for part in line["loc"]) or "(several)"
        top = str(line["loc"][0]) if line["loc"] else ""
        file = self.origin.get(top, f"group_data/{layer}.py")
        found = "nothing" if line["type"] == "missing" else repr(line["input"])
        field = BY_LAYER[layer].model_fields.get(top)
        if field and "Secret" in str(field.annotation) and isinstance(line["input"], str):
            found = "a literal value (not shown)"
        return Problem(file, key, found, line["msg"].removeprefix("Value error, "))

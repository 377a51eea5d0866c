"""The checklist's items as data: checklist/catalogue.yml, typed."""

from functools import cache
from pathlib import Path
from typing import Literal

import yaml
from pydantic import BaseModel, ConfigDict, TypeAdapter, field_validator

from xteam_infra.layers import GROUPS

PATH = Path(__file__).with_name("catalogue.yml")

Kind = Literal["host", "wire", "drill", "cloud", "repo", "attest"]


class Item(BaseModel):
    """One box of docs/reference/production-checklist.md. The fields are explained at the top of catalogue.yml."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str
    section: str
    text: str
    kind: tuple[Kind, ...]
    groups: tuple[str, ...]
    layer: str
    how: str
    note: str = ""

    @field_validator("groups")
    @classmethod
    def _every(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return GROUPS if value == ("all",) else value


@cache
def load(path: Path = PATH) -> dict[str, Item]:
    """Items by id, in the order of the checklist. Raises ValueError when an id stands twice."""
    items = TypeAdapter(list[Item]).validate_python(yaml.safe_load(path.read_text()))
    catalogue = {item.id: item for item in items}
    if len(catalogue) != len(items):
        raise ValueError(f"{path} has an id twice")
    return catalogue

"""What every layer's settings share."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, ClassVar

from pydantic import BaseModel, ConfigDict

from xteam_infra.errors import Problem

if TYPE_CHECKING:
    from xteam_infra.estate import Estate


class LayerSettings(BaseModel):
    """Typed values of one layer, from group_data/<layer>.py. Unknown keys are refused.

    What is given to one run alone, with --data, is no declaration: such fields are left out of dumps (`exclude=True`).
    A layer with rules that span several settings or layers overrides `problems`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)
    layer: ClassVar[str]

    def problems(self, estate: "Estate") -> Iterator[Problem]:
        """What is wrong with these settings in this estate; checked before any host is changed."""
        yield from ()

    @classmethod
    def problem(cls, key: str, found: object, allowed: str) -> Problem:
        """A problem with one of this layer's keys."""
        return Problem(f"group_data/{cls.layer}.py", key, repr(found), allowed)

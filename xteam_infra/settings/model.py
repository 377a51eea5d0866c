"""What every layer's settings share."""

from typing import ClassVar, get_args

from pydantic import BaseModel, ConfigDict, ValidationInfo, field_validator

from xteam_infra.errors import Problem
from xteam_infra.secrets.reference import Secret


class LayerSettings(BaseModel):
    """Typed values of one layer, from group_data/<layer>.py. Unknown keys are refused.

    What is given to one run alone, with --data, is no declaration: such fields are left out of dumps (`exclude=True`).
    What spans several settings or layers is in xteam_infra/layers/<layer>/rules.py.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)
    layer: ClassVar[str]

    @field_validator("*", mode="before")
    @classmethod
    def _reference(cls, value: object, info: ValidationInfo) -> object:
        field = cls.model_fields[info.field_name or ""]
        if isinstance(value, str) and Secret in (field.annotation, *get_args(field.annotation)):
            name = field.default.name if isinstance(field.default, Secret) else f"{cls.layer}/{info.field_name}"
            raise ValueError(f'a reference such as Secret("{name}"), never the value: it is kept in the secrets store')
        return value

    @classmethod
    def problem(cls, key: str, found: object, allowed: str) -> Problem:
        """A problem with one of this layer's keys."""
        return Problem(f"group_data/{cls.layer}.py", key, repr(found), allowed)

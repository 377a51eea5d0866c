"""What people decided about items: checklist/waivers.yml and checklist/attestations.yml."""

import datetime
from pathlib import Path
from typing import Literal, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError, model_validator

T = TypeVar("T")

WAIVERS = Path(__file__).with_name("waivers.yml")
ATTESTATIONS = Path(__file__).with_name("attestations.yml")


class DecisionError(Exception):
    """A decisions file is malformed or names an item that does not exist."""


class Record(BaseModel):
    """What every decision carries.

    id: the item. owner: who answers for it. date, until: the first and the last day it holds.
    evidence: where the reason can be read (a link, a ticket, a document).
    inventories: names of the inventories it holds for, such as [prod]; empty means all.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", str_strip_whitespace=True, str_min_length=1)

    id: str
    owner: str
    date: datetime.date
    until: datetime.date
    evidence: str
    inventories: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _in_order(self) -> "Record":
        if self.until < self.date:
            raise ValueError(f"until {self.until} is before date {self.date}")
        return self


class Waiver(Record):
    """An item that is knowingly not met (`waived`), or that can't apply here (`not-applicable`)."""

    decision: Literal["waived", "not-applicable"]
    reason: str


class Attestation(Record):
    """An item that a person did or decided; `decision` says what."""

    decision: str


class Decision(BaseModel):
    """A waiver or an attestation, as the report needs it."""

    kind: Literal["waived", "not-applicable", "attested"]
    reason: str
    owner: str
    date: datetime.date
    until: datetime.date
    evidence: str

    def expired(self, today: datetime.date | None = None) -> bool:
        return self.until < (today or datetime.date.today())

    def shown(self) -> dict[str, str]:
        """As words, for the report."""
        return {key: str(value) for key, value in self.model_dump().items()}


def load(
    known: set[str], inventory: str, waivers: Path = WAIVERS, attestations: Path = ATTESTATIONS
) -> dict[str, Decision]:
    """The decisions that hold for an inventory, by item. known: the catalogue's ids. Raises DecisionError."""
    found: dict[str, Decision] = {}
    for waiver in _read(waivers, list[Waiver]):
        _add(found, waiver, waiver.decision, waiver.reason, known, inventory, waivers)
    for attestation in _read(attestations, list[Attestation]):
        _add(found, attestation, "attested", attestation.decision, known, inventory, attestations)
    return found


def _read(path: Path, kind: type[list[T]]) -> list[T]:
    try:
        return TypeAdapter(kind).validate_python(yaml.safe_load(path.read_text()) or [])
    except FileNotFoundError:
        raise DecisionError(f"{path} is missing; an empty list [] will do") from None
    except yaml.YAMLError as error:
        raise DecisionError(f"{path} is not YAML: {error}") from error
    except ValidationError as error:
        problems = "\n".join(
            f"- entry {'.'.join(map(str, problem['loc']))}: {problem['msg']}" for problem in error.errors()
        )
        raise DecisionError(f"{path}:\n{problems}") from error


def _add(
    found: dict[str, Decision],
    record: Record,
    kind: Literal["waived", "not-applicable", "attested"],
    reason: str,
    known: set[str],
    inventory: str,
    path: Path,
) -> None:
    if record.id not in known:
        raise DecisionError(f"{path}: no item {record.id!r} in checklist/catalogue.yml")
    if record.inventories and inventory not in record.inventories:
        return
    if record.id in found:
        raise DecisionError(f"{path}: a second decision about {record.id}; keep one")
    found[record.id] = Decision(
        kind=kind, reason=reason, owner=record.owner, date=record.date, until=record.until, evidence=record.evidence
    )

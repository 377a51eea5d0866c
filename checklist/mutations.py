"""Mutations: ways to break a host, and what must turn red. Declared in tests/mutations/<layer>.yml."""

from pathlib import Path
from typing import Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, model_validator

Outcome = Literal["detected", "imprecise", "missed", "invalid"]


class MutationError(Exception):
    """A file of mutations is malformed."""


class Mutation(BaseModel):
    """One way to break one host.

    id: unique within the project. group: the first machine of this group is broken.
    break_ (`break` in the file): shell commands run as root there; must end with status 0.
    expect: what must turn red, and nothing else: ids of items, or names of checks that prove no item.
    expected_operations: every operation that a dry run of the layer then wants to carry out contains one of these
        texts, and each text occurs.
    delay: seconds between breaking and looking, for what takes its time to show.
    wait_for: a command that is repeated on the host until it ends with status 0, before the delay: for a service
        that starts.
    layer: deploys/<layer>.py heals. Default: the file's name.
    checks: tests/hosts/test_<checks>.py and test_<checks>_*.py look. Default: the layer.
    all_hosts: look at and heal all machines, not only the broken one.
    min_hosts: how many machines the group must have for this to be a fault at all.
    refused: for what its owner alone can take back: a text that the deploy says when it refuses the host, instead of
        expected_operations. undo: then what its owner does, before the deploy heals.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str
    layer: str
    checks: str
    group: str
    break_: str = Field(alias="break")
    expect: frozenset[str] = Field(min_length=1)
    expected_operations: tuple[str, ...] = ()
    delay: float = 0
    wait_for: str = ""
    all_hosts: bool = False
    min_hosts: int = 1
    refused: str = ""
    undo: str = ""

    @model_validator(mode="after")
    def _foretold(self) -> "Mutation":
        if bool(self.expected_operations) == bool(self.refused) or bool(self.refused) != bool(self.undo):
            raise ValueError("either expected_operations, or refused and undo")
        return self


class Result(BaseModel):
    """What became of a mutation.

    red: what turned red. planned: the operations a dry run wanted. explanation: why it is not as it should be.
    """

    id: str
    layer: str
    host: str
    outcome: Outcome
    expect: list[str]
    red: list[str] = []
    planned: list[str] = []
    dry_exact: bool = False
    healed: bool = False
    explanation: str = ""
    seconds: float = 0

    @property
    def good(self) -> bool:
        """Seen exactly, named exactly by the dry run, and healed by the deploy."""
        return self.outcome == "detected" and self.dry_exact and self.healed


def load(directory: Path) -> list[Mutation]:
    """All mutations, by file. Raises MutationError."""
    found: list[Mutation] = []
    for path in sorted(directory.glob("*.yml")):
        entries = yaml.safe_load(path.read_text()) or []
        try:
            found += TypeAdapter(list[Mutation]).validate_python(
                [_with_defaults(path.stem, entry) for entry in entries]
            )
        except (ValidationError, TypeError) as error:
            raise MutationError(f"{path}: {error}") from error
    ids = [mutation.id for mutation in found]
    if twice := sorted({name for name in ids if ids.count(name) > 1}):
        raise MutationError(f"{directory}: more than one mutation is called {', '.join(twice)}")
    return found


def _with_defaults(layer: str, entry: dict[str, object]) -> dict[str, object]:
    layered = {"layer": layer, **entry}
    return {"checks": layered["layer"], **layered}

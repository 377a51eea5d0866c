"""The one model behind every report: what is known of each item, and why."""

import json
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, Field

from checklist.catalogue import Item, Kind
from checklist.decisions import Decision

SCHEMA = 1

Status = Literal["passed", "failed", "error", "not-applicable", "waived", "attested", "expired", "not-verified"]

# What a reader must act on comes first. `error` means that the check could not run, which is never a pass.
STATUSES: tuple[Status, ...] = (
    "failed",
    "error",
    "expired",
    "not-verified",
    "waived",
    "not-applicable",
    "attested",
    "passed",
)
RED: frozenset[Status] = frozenset({"failed", "error", "expired"})
# The states in which nothing is left to do.
GREEN: frozenset[Status] = frozenset({"passed", "attested", "waived", "not-applicable"})


class Check(BaseModel):
    """One test on one host.

    kind: what sort of proof it is, as in the catalogue. message: why it did not pass. seconds: how long it took.
    drilled: when, for a drill of an earlier run. figures: what a drill measured.
    """

    name: str
    host: str
    kind: Kind = "host"
    status: Status
    message: str = ""
    seconds: float = 0.0
    evidence: list[dict[str, Any]] = []
    drilled: str = ""
    figures: dict[str, int | float | str] = {}

    def shown_figures(self) -> str:
        """Such as "outage_seconds 21.3, acknowledged 814, lost 0"."""
        return ", ".join(f"{name} {value}" for name, value in self.figures.items())


class ItemResult(BaseModel):
    """An item of the checklist with everything known of it. `missing`: sorts of proof that no check has given yet."""

    id: str
    section: str
    text: str
    status: Status
    kind: tuple[str, ...] = ()
    how: str = ""
    reason: str = ""
    missing: list[str] = []
    decision: dict[str, str] | None = None
    checks: list[Check] = []


class Report(BaseModel):
    """A run. `partial` says what was left out of it (empty: nothing); `others` are checks that prove no item."""

    schema_: int = Field(SCHEMA, alias="schema")
    inventory: str
    machines: list[str] = []
    started: str = ""
    seconds: float = 0.0
    partial: list[str] = []
    items: list[ItemResult]
    others: list[Check] = []

    def counts(self) -> Counter[Status]:
        """Items by status."""
        return Counter(item.status for item in self.items)

    def red(self) -> list[ItemResult]:
        """The items a run must not succeed with."""
        return [item for item in self.items if item.status in RED]

    def write(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(self.model_dump_json(by_alias=True, indent=1) + "\n")

    @classmethod
    def read(cls, path: Path) -> "Report":
        """Raises ValueError when the file is not a report of this schema."""
        raw = json.loads(path.read_text())
        if raw.get("schema") != SCHEMA:
            raise ValueError(f"{path}: schema {raw.get('schema')!r} is not {SCHEMA}: make the report again")
        return cls.model_validate(raw)


def judge(item: Item, checks: list[Check], decision: Decision | None) -> ItemResult:
    """What follows for an item from its checks and from the decision that somebody recorded about it."""
    status, reason = _from_checks(checks)
    if decision is not None:
        status, reason = _with_decision(status, reason, decision)
    elif status == "passed" and "attest" in item.kind:
        status, reason = "not-verified", "its checks passed; a person's record is missing (checklist/attestations.yml)"
    elif not checks:
        reason = "no attestation" if item.kind == ("attest",) else "no check ran"
    return ItemResult(
        id=item.id,
        section=item.section,
        text=item.text,
        status=status,
        kind=item.kind,
        how=item.how,
        reason=reason,
        missing=_missing(item, checks) if status == "passed" else [],
        decision=decision.shown() if decision else None,
        checks=checks,
    )


def _missing(item: Item, checks: list[Check]) -> list[str]:
    """Sorts of proof the catalogue names and no check gave. Looking at a host and asking it by wire count as one."""
    given = {check.kind for check in checks} | {"attest"}  # a missing record is told by the status
    if given & {"host", "wire"}:
        given |= {"host", "wire"}
    return [kind for kind in item.kind if kind not in given]


def _from_checks(checks: Iterable[Check]) -> tuple[Status, str]:
    """Passed only if every check on every host passed; the worst decides, with its message."""
    checks = list(checks)
    for worst in ("failed", "error", "expired", "not-verified"):
        found = [check for check in checks if check.status == worst]
        if found:
            hosts = ", ".join(dict.fromkeys(check.host for check in found))
            return found[0].status, f"{hosts}: {_first_line(found[0].message)}"
    if any(check.status == "passed" for check in checks):
        return "passed", ""
    if checks:
        return "not-applicable", _first_line(checks[0].message)
    return "not-verified", ""


def _with_decision(status: Status, reason: str, decision: Decision) -> tuple[Status, str]:
    if decision.expired():
        return "expired", f"{decision.kind} ended on {decision.until}; {decision.owner} must decide again"
    if decision.kind == "attested":
        # A person's word does not outweigh what was seen.
        return (status, reason) if status in RED else ("passed" if status == "passed" else "attested", decision.reason)
    without = f" (without it: {status})" if status != "not-verified" else ""
    return decision.kind, f"{decision.reason}{without}"


def _first_line(message: str) -> str:
    lines = [line for line in message.splitlines() if line.strip()]
    return lines[0][:200] if lines else ""

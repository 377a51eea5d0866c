"""Runs of a measurement, kept one by one in a file, so that it can be taken in parts; and what is made of them."""

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

Run = dict[str, Any]


class Results:
    """The runs of one file."""

    def __init__(self, path: Path):
        self.path = path

    def kept(self) -> list[Run]:
        """All runs."""
        return json.loads(self.path.read_text()) if self.path.exists() else []

    def keep(self, run: Run) -> None:
        """Add a run to the file, and show it."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        new = self.path.with_suffix(".new")
        new.write_text(json.dumps([*self.kept(), run], indent=1) + "\n")
        new.replace(self.path)
        print(json.dumps(run), flush=True)


def percentile(values: Iterable[float], share: float) -> float:
    """The smallest value that `share` of all values do not exceed."""
    ordered = sorted(values)
    return ordered[max(0, -int(-share * len(ordered) // 1) - 1)]


def table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(map(str, line))} |" for line in lines)

"""Figures for the node exporter, by labels, remembered between runs."""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from xteam_restic.programs import replace


class Metrics:
    """What is told of one kind of backups. prefix: of each figure's name. meaning: {figure: its help}.

    labels: what a place is named by, such as ("repository", "role") for ("1", "queue").
    """

    def __init__(self, kept: Path, target: Path, prefix: str, meaning: Mapping[str, str], labels: tuple[str, ...]):
        self.kept, self.target, self.prefix, self.meaning, self.labels = kept, target, prefix, meaning, labels

    def note(self, places: Sequence[tuple[str, ...]], at: tuple[str, ...], figures: Mapping[str, float]) -> None:
        """Add figures to what is known of one place. places: all that are declared; others are forgotten."""
        found = json.loads(self.kept.read_text()) if self.kept.exists() else {}
        known = {place: _within(found, place) for place in places}
        known[at] = {**known[at], **figures}
        tree: dict[str, Any] = {}
        for place, one in known.items():
            _within(tree, place[:-1])[place[-1]] = one
        replace(self.kept, json.dumps(tree), 0o600)
        replace(self.target, "".join(self._lines(known)), 0o644)

    def _lines(self, known: Mapping[tuple[str, ...], Mapping[str, float]]) -> Iterator[str]:
        for name, text in self.meaning.items():
            full = f"{self.prefix}{name}"
            yield f"# HELP {full} {text}\n# TYPE {full} gauge\n"
            for place, figures in known.items():
                if name in figures:
                    labels = ",".join(f'{label}="{value}"' for label, value in zip(self.labels, place, strict=True))
                    yield f"{full}{{{labels}}} {figures[name]}\n"


def _within(tree: dict[str, Any], place: tuple[str, ...]) -> dict[str, Any]:
    """The branch of that name; made if it is not there."""
    for part in place:
        tree = tree.setdefault(part, {})
    return tree

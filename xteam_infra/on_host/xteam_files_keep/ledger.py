"""What arrived when: a file of root's for each repository, which no sender and no server of theirs can write."""

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path

from xteam_files_keep.choose import Arrival
from xteam_restic.programs import BackupError, replace


@dataclass(kw_only=True)
class Ledger:
    """What is known of one repository.

    repository: its id. arrivals: by the snapshot's id. held: why nothing is removed until a person says so; empty when
    nothing is held. accepted: when a person last said so, seconds since the epoch. unreadable: how many snapshots are
    there that can't be opened; not kept.
    """

    path: Path
    repository: str = ""
    arrivals: dict[str, Arrival] = field(default_factory=dict)
    held: str = ""
    accepted: float = 0.0
    unreadable: int = 0

    def save(self) -> None:
        """Write it anew, whole. Root alone reads it."""
        self.path.parent.mkdir(mode=0o700, exist_ok=True)
        found = {
            "repository": self.repository,
            "held": self.held,
            "accepted": self.accepted,
            "arrivals": [asdict(one) for one in self.ordered()],
        }
        replace(self.path, json.dumps(found, indent=1) + "\n", 0o600)

    def ordered(self) -> Iterator[Arrival]:
        """In order of arrival."""
        yield from sorted(self.arrivals.values(), key=lambda one: one.arrived)


def read(path: Path) -> Ledger:
    """The ledger in a file; an empty one when there is none. Raises BackupError when it is damaged."""
    try:
        found = json.loads(path.read_text())
        arrivals = [Arrival(**{**one, "paths": tuple(one["paths"])}) for one in found["arrivals"]]
        return Ledger(
            path=path,
            repository=found["repository"],
            arrivals={one.id: one for one in arrivals},
            held=found["held"],
            accepted=found["accepted"],
        )
    except FileNotFoundError:
        return Ledger(path=path)
    except (ValueError, KeyError, TypeError) as error:
        why = f"{path} is damaged ({type(error).__name__}: {error})"
        raise BackupError(f"{why}: move it away, and times of arrival are taken from the repository's files") from None

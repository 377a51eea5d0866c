"""Which release an estate is to run: declared in a file beside the inventories, which a release and a rollback write.

The file belongs in version control, like the rest of the declaration: it says what `deploys/all.py` deploys, to a new
host too, and what a rollback goes back to. While there is none, `app_source` decides.
"""

from collections.abc import Iterable
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from xteam_infra.release.errors import ReleaseError

KEPT = 20  # entries; a host keeps fewer releases


class Entry(BaseModel):
    """One release that was put in use. at, by, revision: when, by whom, from which revision of this project."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str
    version: str
    source: str
    sha256: str = ""
    at: str = ""
    by: str = ""
    revision: str = ""


class Record(BaseModel):
    """The releases of an estate, the one to run last.

    missed: {host that was down during a release or rollback: id of the release it had before}.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    releases: tuple[Entry, ...] = ()
    missed: dict[str, str] = {}

    @property
    def wanted(self) -> Entry | None:
        """The release to run."""
        return self.releases[-1] if self.releases else None

    @property
    def before(self) -> Entry | None:
        """What a rollback goes back to: the release before the wanted one."""
        return self.releases[-2] if len(self.releases) > 1 else None

    def released(self, entry: Entry) -> "Record":
        """With a new release. The same one again replaces its entry."""
        kept = self.releases[:-1] if self.wanted and self.wanted.id == entry.id else self.releases
        return Record(releases=(*kept, entry)[-KEPT:], missed=self.missed)

    def rolled_back(self) -> "Record":
        """Without the wanted one, so that a second rollback goes further back."""
        return Record(releases=self.releases[:-1], missed=self.missed)

    def too_late(self, down: Iterable[str]) -> dict[str, str]:
        """{host: its release} of those of the hosts `down` whose release is neither the wanted one nor the one before.

        A migration lets only the release before go on working.
        """
        fit = {one.id for one in self.releases[-2:]}
        return {name: self.missed[name] for name in down if name in self.missed and self.missed[name] not in fit}

    def reached(self, up: Iterable[str], down: Iterable[str] = (), before: str = "") -> "Record":
        """After the wanted release has come to the hosts `up` and not to those `down`, which had `before` until now.

        One that has missed a release keeps the one it had when it went down.
        """
        missed = {name: self.missed.get(name, before) for name in {*self.missed, *down} - {*up}}
        wanted = self.wanted.id if self.wanted else ""
        return self.model_copy(
            update={"missed": {n: one for n, one in sorted(missed.items()) if one not in ("", wanted)}}
        )


def path(directory: str, inventory: str) -> Path:
    """Where the record of an inventory is."""
    return Path(directory).expanduser() / f"{Path(inventory).stem}.json"


def read(file: Path) -> Record:
    """The record; an empty one when there is none yet. Raises ReleaseError when it can't be understood."""
    try:
        return Record.model_validate_json(file.read_text())
    except FileNotFoundError:
        return Record()
    except (ValidationError, OSError) as error:
        raise ReleaseError(f"{file} can't be understood: take it from version control again. {error}") from error


def write(file: Path, record: Record) -> None:
    """Replace the record; it is there whole or not at all."""
    file.parent.mkdir(parents=True, exist_ok=True)
    new = file.with_suffix(".new")
    new.write_text(record.model_dump_json(indent=1) + "\n")
    new.replace(file)

"""Which cluster runs, and whether a repository is its own: by PostgreSQL's system identifier, never by a name.

This host can't ask the databases. The deploy notes what they say, and so does each job in which pgBackRest compares.
"""

from xteam_backup.common import RESULTS, BackupError, Record

RUNNING = RESULTS / "cluster"
# Noted when pgBackRest has found that another cluster runs: no repository is this one's own then.
ANOTHER = "another"
# pgBackRest's words for it.
FOREIGN = ("do not match the database", "do not match stanza")


def running() -> str:
    """The system identifier of the cluster that runs; empty when nobody has noted it."""
    return RUNNING.read_text().strip() if RUNNING.exists() else ""


def note(identifier: str) -> None:
    """Note which cluster runs."""
    if identifier and identifier != running():
        new = RUNNING.with_suffix(".new")
        new.write_text(f"{identifier}\n")
        new.chmod(0o644)
        new.replace(RUNNING)


def identifiers(stanza: Record, repository: int) -> dict[int, str]:
    """The clusters a repository has been of, by pgBackRest's number; the last is its present one."""
    return {one["id"]: str(one["system-id"]) for one in stanza.get("db", ()) if one["repo-key"] == repository}


def present(stanza: Record, repository: int) -> str:
    """The cluster a repository is of now; empty when it is of none."""
    found = identifiers(stanza, repository)
    return found[max(found)] if found else ""


def owned(stanza: Record, repository: int) -> bool:
    """Whether a repository is of the cluster that runs."""
    return present(stanza, repository) == running() != ""


def require_owned(stanza: Record, repository: int) -> None:
    """Raise BackupError when a repository is of another cluster than the one that runs."""
    if not owned(stanza, repository):
        found, runs = present(stanza, repository) or "none", running() or "not known"
        raise BackupError(
            f"repository {repository} is of cluster {found}, the cluster that runs is {runs}: "
            "deploys/backup.py says what to do"
        )

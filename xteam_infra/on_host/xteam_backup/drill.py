"""The restore drill: the newest backup and its WAL become a database, which is looked at from all sides and removed.

What came of it is kept for the checks (drill-repoN.json) and the metrics, and said in the journal.
"""

import time

from xteam_backup.common import STARTED, BackupError, Record, Settings, as_postgres, results, save_result, say
from xteam_backup.identity import running
from xteam_backup.scratch import Scratches
from xteam_backup.targets import Target

# The databases write a marker each minute; it is in the archive a minute later. More than this is a gap.
RPO_SECONDS = 900
# Rows, rows whose hash does not follow from the row before, and the age of the newest when the drill began.
MARKERS = """
with rows as (select at, hash, lag(hash) over (order by id) as before from xteam_ops.marker)
select count(*), count(*) filter (where before is not null and hash <>
  encode(sha256(convert_to(before || extract(epoch from at)::text, 'UTF8')), 'hex')),
  round(extract(epoch from to_timestamp({began}) - max(at)), 1)
from rows"""


def choose(settings: Settings) -> int:
    """The repository whose last drill is the longest ago: they alternate."""
    last = {name: result["completed"] for name, result in results().items()}
    return min(settings["repositories"], key=lambda number: last.get(f"drill-repo{number}", 0))


def drill(settings: Settings, repository: int) -> bool:
    """Carry it out and keep the result; False when it failed."""
    began = time.time()
    scratches = Scratches(settings, repository)
    name = f"drill-repo{repository}"
    result: Record = {"repository": repository, "began": round(began), "good": False, "rpo_seconds": None}
    try:
        if (scratches.directory / name).exists():
            scratches.remove(name)
        _look(scratches, name, began, result)
        result["good"] = True
    except BackupError as error:
        result["message"] = str(error)
        say(f"the restore drill failed: {error}")
    finally:
        if (scratches.directory / name).exists():
            scratches.remove(name)
        result |= {"completed": round(time.time()), "seconds": round(time.monotonic() - STARTED, 1)}
        save_result(name, result)
    say(f"restore drill from repository {repository}: {'good' if result['good'] else 'FAILED'}, {result}")
    return bool(result["good"])


def _look(scratches: Scratches, name: str, began: float, result: Record) -> None:
    backup = scratches.make(name, Target("default"))
    result |= {"backup": backup["label"], "open_seconds": round(time.monotonic() - STARTED, 1)}
    restored = scratches.answer(name, "postgres", "select system_identifier from pg_control_system()")
    result["cluster"] = restored
    if restored != running():
        runs = running() or "not known"
        raise BackupError(f"the newest backup is of cluster {restored}, the cluster that runs is {runs}")
    rows, broken, age = scratches.answer(name, "postgres", MARKERS.format(began=began)).split("|")
    result |= {"markers": int(rows), "rpo_seconds": float(age or -1)}
    if not int(rows):
        raise BackupError("no marker came back: the databases write one each minute (xteam-recovery-marker.timer)")
    if int(broken):
        raise BackupError(f"{broken} of {rows} markers do not follow from the one before")
    if float(age) > RPO_SECONDS:
        raise BackupError(f"the newest row is {age} s old: what was written since is not in the repository")
    say(f"{rows} markers, the newest {age} s old; check every table and index")
    programs = scratches.settings["programs"]
    where = ["-h", str(scratches.directory / name), "-p", str(scratches.settings["port"])]
    as_postgres(f"{programs}/pg_amcheck", *where, "--all", "--install-missing=pg_catalog", "--heapallindexed")
    result["amcheck"] = True
    scratches.stop(name)
    as_postgres(f"{programs}/pg_checksums", "--check", "-D", str(scratches.directory / name / "data"))
    result["checksums"] = True

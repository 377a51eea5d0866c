"""What is in the repositories, in pgBackRest's own words."""

import json
from itertools import pairwise

from xteam_backup.common import BackupError, Record, Settings, as_postgres
from xteam_backup.identity import identifiers, running

SEGMENTS_PER_LOG = 256  # 16 MiB segments in the 4 GiB that the middle of their names counts
HOLE_LIMIT = 5


def info(settings: Settings, *options: str) -> Record:
    """pgBackRest's answer about the stanza."""
    words = ("pgbackrest", f"--stanza={settings['stanza']}", *options, "--output=json", "--log-level-console=off")
    answer = as_postgres(*words, "info", check=False)
    try:
        found: list[Record] = json.loads(answer.stdout)
        [stanza] = found
    except ValueError:
        raise BackupError(f"the repository can't be read: {answer.stderr or answer.stdout}") from None
    return stanza


def status_of(stanza: Record, repository: int) -> tuple[int, str]:
    """pgBackRest's code of one repository (0: good) and its words."""
    for repo in stanza["repo"]:
        if repo["key"] == repository:
            return repo["status"]["code"], repo["status"]["message"]
    return 99, "not configured"


def backups_of(stanza: Record, repository: int) -> list[Record]:
    """Backups in one repository, oldest first."""
    return [one for one in stanza["backup"] if one["database"]["repo-key"] == repository]


def own_backups(stanza: Record, repository: int) -> list[Record]:
    """Those of the cluster that runs."""
    clusters, runs = identifiers(stanza, repository), running()
    return [one for one in backups_of(stanza, repository) if clusters.get(one["database"]["id"]) == runs != ""]


def usable(settings: Settings, repository: int, *options: str) -> list[Record]:
    """The backups a restore can begin with. Raises BackupError when there is none that can be read."""
    stanza = info(settings, f"--repo={repository}", *options)
    found = backups_of(stanza, repository)
    code, message = status_of(stanza, repository)
    if found and code == 0:
        return [one for one in found if not one["error"]] or found
    if code in (1, 2, 3):
        hint = f"systemctl start xteam-backup@repo{repository}-full.service"
        raise BackupError(f"there is no backup yet in repository {repository}. Make one: {hint}")
    raise BackupError(f"repository {repository} can't be used: {message}")


def number(segment: str) -> int:
    """The place of a segment in the log. The first eight digits of its name are the timeline."""
    return int(segment[8:16], 16) * SEGMENTS_PER_LOG + int(segment[16:24], 16)


def archive(settings: Settings, repository: int, stanza: Record) -> tuple[int, int]:
    """Segments missing since the newest backup, and when (epoch) the newest segment was stored."""
    found = backups_of(stanza, repository)
    if not found:
        return 0, 0
    words = ("pgbackrest", f"--stanza={settings['stanza']}", f"--repo={repository}", "--output=json", "--recurse")
    databases = [one["id"] for one in stanza["archive"] if one["database"]["repo-key"] == repository]
    path = f"archive/{settings['stanza']}/{databases[-1]}"
    listing = json.loads(as_postgres(*words, "repo-ls", path, "--filter=[0-9A-F]{24}-").stdout)
    first = number(found[-1]["archive"]["start"])
    places = sorted({number(name.rpartition("/")[2]) for name in listing})
    kept = [one for one in places if one >= first]
    missing = sum(b - a - 1 for a, b in pairwise([first - 1, *kept]))
    return missing, max((one["time"] for one in listing.values()), default=0)

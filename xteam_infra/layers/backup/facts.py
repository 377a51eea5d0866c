"""State of pgBackRest's repositories."""

import json
from typing import Any, NamedTuple

from pyinfra.api import FactBase, QuoteString, StringCommand
from typing_extensions import override

# Codes of `pgbackrest info`.
OK, NO_BACKUP = 0, 2


class RepositoryState(NamedTuple):
    """exists: the stanza is there and its key fits. cluster: the system identifier of the cluster it is of.

    backups: labels of that cluster's backups, oldest first. message: pgBackRest's own words.
    """

    exists: bool
    backups: tuple[str, ...]
    message: str
    cluster: str = ""


NO_ANSWER = RepositoryState(False, (), "pgBackRest gives no answer")


class Repositories(FactBase[dict[int, RepositoryState]]):
    """What pgBackRest says of its stanza on the repository host, by the repository's number."""

    default = dict

    @override
    def command(self, stanza: str) -> StringCommand:
        # Fails on a bare host, where it is simply not there yet. With a wrong key it quotes bytes that are no text.
        return StringCommand(
            "cd / && runuser -u postgres -- pgbackrest", QuoteString(f"--stanza={stanza}"),
            "--output=json --log-level-console=off info 2>/dev/null | LC_ALL=C tr -cd '\\11\\12\\40-\\176'",
        )  # fmt: skip

    @override
    def process(self, output: list[str]) -> dict[int, RepositoryState]:
        try:
            [stanza] = json.loads("\n".join(output))
        except ValueError:
            return {}
        return {repo["key"]: _state(stanza, repo) for repo in stanza.get("repo", [])}


def _state(stanza: dict[str, Any], repo: dict[str, Any]) -> RepositoryState:
    clusters = {one["id"]: str(one["system-id"]) for one in stanza.get("db", ()) if one["repo-key"] == repo["key"]}
    present = clusters[max(clusters)] if clusters else ""
    own = (backup for backup in stanza["backup"] if backup["database"]["repo-key"] == repo["key"])
    good = tuple(
        backup["label"]
        for backup in own
        if not backup["error"] and clusters.get(backup["database"]["id"], "") == present
    )
    return RepositoryState(repo["status"]["code"] in (OK, NO_BACKUP), good, repo["status"]["message"], present)


class BackedUpCluster(FactBase[str]):
    """The system identifier of the cluster that is backed up, as the backup host has noted it; empty if it has not."""

    default = str

    @override
    def command(self) -> StringCommand:
        return StringCommand("cat /var/lib/xteam/backup/cluster 2>/dev/null; true")

    @override
    def process(self, output: list[str]) -> str:
        return "".join(output).strip()


class Drills(FactBase[dict[int, str]]):
    """The cluster that came back in the last restore drill if it was good, by the number of its repository."""

    default = dict

    @override
    def command(self) -> StringCommand:
        return StringCommand("cat /var/lib/xteam/backup/drill-repo*.json 2>/dev/null | tr -d '\\n'; true")

    @override
    def process(self, output: list[str]) -> dict[int, str]:
        found, text = {}, "".join(output).strip()
        while text:
            result, end = json.JSONDecoder().raw_decode(text)
            found[result["repository"]] = result.get("cluster", "") if result["good"] else ""
            text = text[end:].strip()
        return found

"""pgBackRest's stanza, its first backup, and restores into a scratch instance."""

import shlex
from collections.abc import Sequence

from pyinfra import host
from pyinfra.api import FunctionCommand, QuoteString, StringCommand, operation
from pyinfra.api.host import Host
from pyinfra.api.state import State

from xteam_infra.engine.absent import up
from xteam_infra.engine.commands import Commands
from xteam_infra.engine.pyinfra_internals import run_on
from xteam_infra.errors import Problem, SettingsError
from xteam_infra.estate import Estate
from xteam_infra.layers.backup.facts import NO_ANSWER, Drills, Repositories, RepositoryState
from xteam_infra.layers.backup.needs import STANZA, Repository
from xteam_infra.settings.backup import TARGET_FORMS, BackupSettings

# A database may be starting, or failing over.
TRIES = 10
PAUSE_SECONDS = 3
# With a wrong key pgBackRest quotes what came of decrypting: bytes that are no text.
PRINTABLE = r"LC_ALL=C tr -cd '\11\12\40-\176'"
# A repository's own status: good, or without stanza, backups or data.
REPOSITORY_OPENS = r'"status":\{"code":[0123],"message"'
WRONG_KEY = "FormatError|CryptoError"


@operation()
def stanza(stanza_name: str, repositories: tuple[int, ...]) -> Commands:
    """Make the stanza for the running cluster in every repository, and prove that a WAL segment reaches it.

    Fails when a stanza exists that the key does not open or that belongs to another cluster: nothing is lost then.
    """
    found = host.get_fact(Repositories, stanza=stanza_name)
    if all(found.get(number, NO_ANSWER).exists for number in repositories):
        host.noop(f"stanza {stanza_name} exists")
        return
    pgbackrest = f"runuser -u postgres -- pgbackrest --stanza={shlex.quote(stanza_name)}"
    docs = "docs/operations/backup.md: what to do if the repository is another cluster's"
    hint = f"stanza {stanza_name} can't be made; {docs}"
    steps = [
        # While the cluster tries to archive into a stanza that is not there, it holds the lock: this one gets its own.
        "cd /; locks=$(runuser -u postgres -- mktemp -d); trap 'rm -rf \"$locks\"' EXIT;",
        f'tries=0; until said=$({pgbackrest} --lock-path="$locks" stanza-create 2>&1)',
        f"do tries=$((tries+1)); [ $tries -lt {TRIES} ] ||",
        f'{{ echo "$said" | {PRINTABLE} >&2; echo {shlex.quote(hint)} >&2; exit 1; }}',
        f"sleep {PAUSE_SECONDS}; done; {pgbackrest} check",
    ]
    yield StringCommand(steps[0], steps[1], ";", steps[2], steps[3], ";", steps[4])


def keys_fit(repositories: Sequence[Repository], name: str) -> str:
    """A command with {} for a new configuration: it fails when a repository does not open with what stands in it."""
    tests = "; ".join(_opens(one, name) for one in repositories)
    return f"sh -c {shlex.quote(f'cd /; {tests}')}"


def _opens(repository: Repository, name: str) -> str:
    pgbackrest = f"runuser -u postgres -- pgbackrest --config={{}} --stanza={shlex.quote(name)}"
    ask = f"{pgbackrest} --repo={repository.number} --output=json --log-level-console=off info 2>/dev/null"
    place = f"bucket {repository.bucket.name}" if repository.bucket else repository.path
    key = f"{place} has another key: give {repository.cipher.name} in the secrets store its old value"
    other = f"{place} does not open; the backup_s3 settings in group_data/backup.py say where and with which key"
    return (
        f'said=$({ask} | {PRINTABLE}); echo "$said" | grep -qE {shlex.quote(REPOSITORY_OPENS)} || {{ '
        f'if echo "$said" | grep -qE {shlex.quote(WRONG_KEY)}; then echo {shlex.quote(f"the repository in {key}")}; '
        f'else echo "$said" | head -c 2000; echo {shlex.quote(f"the repository in {other}")}; fi; exit 1; }}'
    )


@operation()
def first_backup(stanza_name: str, repository: int, unit: str) -> Commands:
    """Make a full backup when there is none of this cluster, in its own unit: a dropped connection does not end it."""
    found = host.get_fact(Repositories, stanza=stanza_name).get(repository, NO_ANSWER)
    if found.backups:
        host.noop(f"{len(found.backups)} backups, the newest is {found.backups[-1]}")
        return
    quoted = shlex.quote(unit)
    yield StringCommand(f"systemctl start {quoted} || {{ journalctl --no-pager -n 30 -u {quoted} >&2; exit 1; }}")


@operation()
def first_drill(repositories: Sequence[Repository]) -> Commands:
    """Rehearse a restore from each repository whose last rehearsal was not good, all at the same time."""
    results, found = host.get_fact(Drills), host.get_fact(Repositories, stanza=STANZA)
    due = [one.name for one in repositories if not _rehearsed(results, found, one.number)]
    if not due:
        host.noop("the last restore drill from each repository was good")
        return
    # The segment that holds the newest marker must be in the repositories.
    units = " ".join(shlex.quote(f"xteam-restore-drill@{name}.service") for name in due)
    yield StringCommand(
        f"systemctl start xteam-backup@check.service && systemctl start {units} ||",
        "{ journalctl --no-pager -n 40 -u xteam-backup@check.service -u 'xteam-restore-drill@*' >&2; exit 1; }",
    )


def _rehearsed(results: dict[int, str], found: dict[int, RepositoryState], number: int) -> bool:
    """Whether the cluster came back that the repository is of now."""
    return results.get(number, "") == found.get(number, NO_ANSWER).cluster != ""


def validate_restore(estate: Estate, partial: bool = False) -> None:
    """Raise SettingsError when --data does not say what to restore where, or does not confirm what it overwrites.

    partial: the run is limited to some hosts.
    """
    settings, problems = estate.backup, []
    if not estate.members("backup"):
        problems.append(Problem(estate.inventory, "backup", "no host", "one host that keeps the repository"))
    elif not up(estate.members("backup")):
        problems.append(Problem("--exclude", "backup", "the host that keeps the repository", "it is needed for this"))
    if settings.target is None:
        problems.append(Problem("--data", "target", "nothing", TARGET_FORMS))
    if settings.repository == 2 and not settings.bucket:
        problems.append(Problem("--data", "repository", "2", "1: backup_s3_bucket is not set"))
    if settings.into == "cluster" and settings.target:
        wanted = confirmation(estate)
        if settings.confirm != wanted:
            allowed = f'"{wanted}", which says: replace the databases of {estate.all.domain}, all of them'
            problems.append(Problem("--data", "confirm", repr(settings.confirm), allowed))
        if partial:
            problems.append(Problem("--limit", "", "a part of the estate", "nothing: the whole cluster takes part"))
    if problems:
        raise SettingsError(problems)


def confirmation(estate: Estate) -> str:
    """What must be typed to replace the databases."""
    return f"{estate.all.domain} {estate.backup.target}"


def aim(settings: BackupSettings) -> StringCommand:
    """xteam-restore's arguments for what --data asks for."""
    words: list[QuoteString | str] = [QuoteString(settings.target or ""), f"--repo={settings.repository}"]
    words += [QuoteString(f"--timeline={settings.timeline}")]
    words += [QuoteString(f"--backup={settings.from_backup}")] if settings.from_backup else []
    return StringCommand(*words)


@operation(is_idempotent=False)
def restore(settings: BackupSettings) -> Commands:
    """Restore into a scratch instance beside the repository; prints what it does and found."""
    command = StringCommand("xteam-restore to", aim(settings), "--replace" if settings.replace else "")
    yield FunctionCommand(run_and_show, (command,), {})


@operation(is_idempotent=False)
def step(*bits: str | StringCommand) -> Commands:
    """One step of a restore in place; prints what it says."""
    yield FunctionCommand(run_and_show, (StringCommand(*bits),), {})


def run_and_show(state: State, host: Host, command: StringCommand) -> bool:
    """Run a command and print what it says while it says it. False when it fails: pyinfra then stops.

    pyinfra itself shows a command's output only with -v. The names of the parameters are what it looks for.
    """
    done, _ = run_on(host, command, show=True)
    return done

"""pgBackRest's stanza, its first backup, and restores into a scratch instance."""

import shlex

from pyinfra import host
from pyinfra.api import FunctionCommand, QuoteString, StringCommand, operation

from xteam_infra.errors import Problem, SettingsError
from xteam_infra.facts.backup import Repository
from xteam_infra.settings.backup import TARGET_FORMS

# While the cluster tries to archive into a stanza that is not there, it holds the lock that stanza-create needs.
TRIES = 10
PAUSE_SECONDS = 3
# With a wrong key pgBackRest quotes what came of decrypting: bytes that are no text.
PRINTABLE = r"LC_ALL=C tr -cd '\11\12\40-\176'"
# The stanza's own status (a repository's is followed by its message): good, or good without backups.
STANZA_IS_GOOD = r'"status":\{"code":[02],"lock"'


@operation()
def stanza(name: str):
    """Make the stanza for the running cluster, and prove that a WAL segment reaches it.

    Fails when a stanza exists that the key does not open or that belongs to another cluster: nothing is lost then.
    """
    found = host.get_fact(Repository, stanza=name)
    if found.exists:
        host.noop(f"stanza {name} exists")
        return
    pgbackrest = f"runuser -u postgres -- pgbackrest --stanza={shlex.quote(name)}"
    hint = f"stanza {name} can't be made; docs/backup.md says what to do when the repository is another cluster's"
    steps = [
        f"cd /; tries=0; until said=$({pgbackrest} stanza-create 2>&1)",
        f"do tries=$((tries+1)); [ $tries -lt {TRIES} ] ||",
        f'{{ echo "$said" | {PRINTABLE} >&2; echo {shlex.quote(hint)} >&2; exit 1; }}',
        f"sleep {PAUSE_SECONDS}; done; {pgbackrest} check",
    ]
    yield StringCommand(steps[0], ";", steps[1], steps[2], ";", steps[3])


def key_fits(path: str, name: str, key: str) -> str:
    """A command with {} for a new configuration: it fails when a repository is there that its key does not open."""
    info = f"runuser -u postgres -- pgbackrest --config={{}} --stanza={shlex.quote(name)} --output=json info"
    hint = f"the repository in {path} has another key: give {key} in the secrets store its old value"
    existing = shlex.quote(f"{path}/archive/{name}/archive.info")
    good = f"{info} 2>/dev/null | grep -qaE {shlex.quote(STANZA_IS_GOOD)}"
    return f"sh -c {shlex.quote(f'cd /; test ! -e {existing} || {good} || {{ echo {shlex.quote(hint)}; exit 1; }}')}"


@operation()
def first_backup(name: str, unit: str):
    """Make a full backup when there is none. It runs in its own unit: a dropped connection does not end it."""
    found = host.get_fact(Repository, stanza=name)
    if found.backups:
        host.noop(f"{len(found.backups)} backups, the newest is {found.backups[-1]}")
        return
    quoted = shlex.quote(unit)
    yield StringCommand(f"systemctl start {quoted} || {{ journalctl --no-pager -n 30 -u {quoted} >&2; exit 1; }}")


def refuse_unclear_restore(estate) -> None:
    """Raise SettingsError when --data does not say to which moment, or there is no repository to restore from."""
    if not estate.members("backup"):
        raise SettingsError([Problem(estate.inventory, "backup", "no host", "one host that keeps the repository")])
    if estate.backup.target is None:
        raise SettingsError([Problem("--data", "target", "nothing", TARGET_FORMS)])


@operation(is_idempotent=False)
def restore(target: str, replace: bool):
    """Restore to `target` into a scratch instance beside the repository; prints what it does and found."""
    command = StringCommand("xteam-restore to", QuoteString(target), "--replace" if replace else "")
    yield FunctionCommand(_run_and_show, (command,), {})


def _run_and_show(state, host, command: StringCommand) -> bool:
    """Run a command and print what it says while it says it. False when it fails: pyinfra then stops.

    pyinfra itself shows a command's output only with -v. The names of the parameters are what it looks for.
    """
    done, _ = host.run_shell_command(command, print_output=True, _sudo=bool(host.data.get("_sudo")))
    return done

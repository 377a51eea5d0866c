"""What makes a release or a rollback of the deploys it consists of: a lock, a record, the automatic rollback, and
notifications."""

import json
import urllib.request
from collections.abc import Iterable
from shlex import quote

import gevent
from pyinfra import host, inventory, logger, state
from pyinfra.api import FunctionCommand, Host, OperationError, QuoteString, StringCommand, operation
from pyinfra.api.state import BaseStateCallback, State

from xteam_infra.engine.absent import down, up
from xteam_infra.engine.commands import Commands
from xteam_infra.engine.facts.shell_condition import ShellCondition
from xteam_infra.engine.once import OncePer
from xteam_infra.engine.pyinfra_internals import operation_names, run_on
from xteam_infra.engine.runtime import here, secret
from xteam_infra.estate import Estate
from xteam_infra.layers.app import releases as runs
from xteam_infra.layers.app.facts import Releases
from xteam_infra.layers.app.releases import Deployment
from xteam_infra.machine import Machine
from xteam_infra.release.record import read, write

LOCK = "/var/lib/xteam/deploy.lock"
# Of a lease; renewed several times within it, so that it ends soon after the run that holds it has ended.
RENEWED_WITHIN = 4
WEBHOOK_SECONDS = 10

# Of root, started in whatever directory.
PYTHON = ("/usr/bin/python3", "-I", "-c")
# take: mine from now on for so many seconds, unless it is somebody else's and not expired. drop: mine no more.
# look: changes nothing; ends as take would.
LEASE = """
import fcntl, json, sys, time
action, owner, purpose, seconds = sys.argv[1:5]
now = time.time()
with open("{lock}", "a+") as file:
    fcntl.flock(file, fcntl.LOCK_EX)
    file.seek(0)
    held = json.loads(file.read() or "null")
    mine = held and held["owner"] == owner
    if action in ("take", "look") and held and not mine and held["expires"] > now:
        left = held["expires"] - now
        sys.exit(f"another deployment is under way: {{held['purpose']}}, by {{held['owner']}}. Its lock expires in "
                 f"{{left:.0f}} s unless it is renewed; wait for its end")
    if action == "renew" and not mine:
        sys.exit("the lock is another one's now")
    if action == "take" and held and not mine:
        print(f"took over the expired lock of {{held['owner']}}")
    if action == "look":
        sys.exit()
    if action != "drop" or mine:
        file.truncate(0)
    if action != "drop":
        json.dump({{"owner": owner, "purpose": purpose, "expires": now + float(seconds)}}, file)
"""


def _lease(action: str, deployment: Deployment, seconds: int) -> StringCommand:
    script = LEASE.format(lock=LOCK)
    words = [action, deployment.owner, deployment.title, str(seconds)]
    quoted = " ".join(quote(word) for word in [*PYTHON, script, *words])
    return StringCommand(f"install -d -m 755 {quote(LOCK.rpartition('/')[0])} && {quoted}")


def on(where: Host, command: StringCommand, show: bool = False) -> bool:
    """Whether a command succeeds on a host, outside of any operation."""
    done, said = run_on(where, command)
    if show or not done:
        for line in said.output_lines:
            logger.info("%s%s", where.print_prefix, line)
    return done


@operation()
def require_no_deployment(estate: Estate) -> Commands:
    """Fail while a release or rollback is under way that this run is not: it would take back what that one does.

    To be asked on every host of the application: that run may have been without another of them.
    """
    if runs.begun(estate):
        host.noop("this run takes the lock itself")
        return
    words = " ".join(quote(word) for word in [*PYTHON, LEASE.format(lock=LOCK), "look", "", "", "0"])
    look = f"test ! -e {LOCK} || {words}"
    if host.get_fact(ShellCondition, check=look):
        host.noop("nobody deploys")
        return
    yield StringCommand(look)


@operation(is_idempotent=False)
def lock(deployment: Deployment, seconds: int) -> Commands:
    """Take the estate's deploy lock, and renew it until the run ends. Fails while another run holds it."""
    yield FunctionCommand(_take, (deployment, seconds), {})


def _take(state: State, host: Host, deployment: Deployment, seconds: int) -> bool:
    """Take the lease, say whose it was, and start what renews it in the background; that dies with this process.

    One on each host that takes part: the next run meets it also when another host of them is down, or back.
    """
    taken: list[Host] = []
    for one in _lock_hosts(deployment):
        if not on(one, _lease("take", deployment, seconds), show=True):
            _drop(deployment, taken)
            return False
        taken.append(one)

    def renewing(one: Host) -> None:
        while True:
            gevent.sleep(seconds / RENEWED_WITHIN)
            on(one, _lease("renew", deployment, seconds))

    for one in taken:
        gevent.spawn(renewing, one)
    return True


def _lock_hosts(deployment: Deployment) -> list[Host]:
    """The hosts of the application that take part in this run."""
    names = {one.name for one in runs.hosts(deployment.estate)}
    return [one for one in inventory if one.name in names and one in inventory.get_active_hosts()]


def _drop(deployment: Deployment, where: Iterable[Host]) -> None:
    for one in where:
        on(one, _lease("drop", deployment, 0))


@operation(is_idempotent=False)
def unlock(deployment: Deployment) -> Commands:
    """Give the deploy lock back, on every host."""
    yield FunctionCommand(_unlock, (deployment,), {})


def _unlock(state: State, host: Host, deployment: Deployment) -> None:
    _drop(deployment, _lock_hosts(deployment))


@operation(is_idempotent=False)
def notify(deployment: Deployment, event: str) -> Commands:
    """Notify the webhook, if one is set. A webhook that does not answer stops no deployment."""
    yield FunctionCommand(_notify, (deployment, event), {})


def _notify(state: State, host: Host, deployment: Deployment, event: str) -> None:
    post_webhook(deployment, event)


# For those who use it, beside what is for those who run it.
FOR_USERS = {
    "begins": "Nothing should be noticed; an open connection may be asked to connect again.",
    "succeeded": "The new version is in use.",
    "failed": "The version from before is in use everywhere again, or will be in a moment.",
}


def post_webhook(deployment: Deployment, event: str, reason: str = "") -> None:
    """POST what happens as JSON. event: begins, succeeded, failed. reason: the step that failed, and where."""
    reference = deployment.estate.app.deploy_webhook
    if reference is None:
        return
    entry = deployment.entry
    said = {
        "text": f"{deployment.title}: {event}{f' at: {reason}' if reason else ''} (by {runs.who()})",
        "users": FOR_USERS[event],
        **({"reason": reason} if reason else {}),
        **{"event": event, "verb": deployment.verb, "version": entry.version, "release": entry.id, "by": runs.who()},
        "revision": runs.revision(),
    }
    request = urllib.request.Request(  # noqa: S310 - the scheme is checked with the settings
        secret(reference), json.dumps(said).encode(), {"Content-Type": "application/json"}
    )
    try:
        urllib.request.urlopen(request, timeout=WEBHOOK_SECONDS).close()  # noqa: S310
    except OSError as error:
        logger.warning("the webhook was not notified (%s): %s", event, type(error).__name__)


@operation(is_idempotent=False)
def record(deployment: Deployment, before: str) -> Commands:
    """Declare the release as the one to run. before: what ran until now, if no record says."""
    yield FunctionCommand(_record, (deployment, before), {})


def _record(state: State, host: Host, deployment: Deployment, before: str) -> None:
    file = runs.record_file(deployment.estate)
    now = deployment.record
    if len(now.releases) == 1 and deployment.verb == "release" and before not in ("", now.releases[0].id):
        source = deployment.estate.app.app_source
        first = now.releases[0].model_copy(update={"id": before, "version": before, "source": source, "sha256": ""})
        now = now.model_copy(update={"releases": (first, *now.releases)})
    code_hosts = runs.hosts(deployment.estate)
    now = now.reached([one.name for one in up(code_hosts)], [one.name for one in down(code_hosts)], before)
    if read(file) != now:
        write(file, now)
    logger.info("%s names the release to run: commit it", file)


@operation(is_idempotent=False)
def journal(deployment: Deployment, event: str) -> Commands:
    """Write into the host's journal who deployed what, and from which revision."""
    yield _journal_entry(deployment, event)


def _journal_entry(deployment: Deployment, event: str) -> StringCommand:
    entry = deployment.entry
    fields = {
        "MESSAGE": f"{deployment.title}: {event}, by {runs.who()} from revision {runs.revision()}",
        "SYSLOG_IDENTIFIER": "xteam-deploy",
        "PRIORITY": "5" if event != "failed" else "3",
        "XTEAM_VERB": deployment.verb,
        "XTEAM_EVENT": event,
        "XTEAM_VERSION": entry.version,
        "XTEAM_RELEASE": entry.id,
        "XTEAM_BY": runs.who(),
        "XTEAM_REVISION": runs.revision(),
    }
    text = "\n".join(f"{key}={value}" for key, value in fields.items())
    return StringCommand("printf '%s\\n'", QuoteString(text), "| logger --journald")


@operation()
def caught_up(estate: Estate) -> Commands:
    """Note in the record that this host, which was down during a release, runs the wanted one now."""
    if here().name not in read(runs.record_file(estate)).missed:
        host.noop("it has missed no release")
        return
    yield FunctionCommand(_caught_up, (estate,), {})


def _caught_up(state: State, host: Host, estate: Estate) -> None:
    file = runs.record_file(estate)
    write(file, read(file).reached([host.name]))


class AutomaticRollback(BaseStateCallback):
    """When anything of a release or rollback fails, every host gets back the release it had when the run began.

    If an interrupted run before it had left hosts with different ones, all get the one that is declared.
    """

    def __init__(self, deployment: Deployment, code_hosts: tuple[str, ...]):
        self.deployment, self.code_hosts = deployment, code_hosts
        self.before: dict[str, str] = {}
        self.began = self.gone = False

    def releases(self) -> dict[str, str]:
        """{host: what it goes back to}; without hosts that had none."""
        had = {name: release for name in self.code_hosts if (release := self.before.get(name))}
        if len(set(had.values())) > 1 and (declared := runs.declared(self.deployment.estate)) in had.values():
            return dict.fromkeys(had, declared)
        return had

    # pyinfra's handlers are classes with static methods; one that knows its deployment is called in the same way.
    def operation_host_success(  # type: ignore[override] # pyinfra's is static
        self, state: State, host: Host, op_hash: str, retry_count: int = 0
    ) -> None:
        if not self.began:
            self.began = "Take the deploy lock" in operation_names(state, op_hash)

    def operation_host_error(  # type: ignore[override] # pyinfra's is static
        self, state: State, host: Host, op_hash: str, retry_count: int = 0, max_retries: int = 0
    ) -> None:
        """Not before the lock is ours: what then fails has changed nothing, and may be another's deployment."""
        if self.gone or not self.began:
            return
        self.gone = True
        step = operation_names(state, op_hash).rpartition(" | ")[2]  # without the files that include one another
        reason = f"{step}, on {host}"
        releases = self.releases()
        back = ", ".join(f"{name} to {before}" for name, before in releases.items())
        logger.error("failed at: %s. Going back: %s", reason, back or "no host had a release")
        for name, before in releases.items():
            restore = StringCommand(f"test ! -x /usr/local/sbin/xteam-switch || xteam-switch restore {quote(before)}")
            on(inventory.get_host(name), restore, show=True)
        for one in inventory.get_active_hosts():
            on(one, _journal_entry(self.deployment, "failed"))
        _drop(self.deployment, _lock_hosts(self.deployment))
        post_webhook(self.deployment, "failed", reason)


_rollbacks: OncePer[AutomaticRollback] = OncePer()


def roll_back_on_failure(deployment: Deployment, code_hosts: tuple[str, ...]) -> str:
    """From now on a failure of this run leads back. To be called for every host: what it runs now is remembered.

    That is also what it returns: the id of the release, or nothing."""

    def registered() -> AutomaticRollback:
        made = AutomaticRollback(deployment, code_hosts)
        state.add_callback_handler(made)
        return made

    rollback = _rollbacks.ask(deployment, registered)
    if host.name not in code_hosts:
        return ""
    found = host.get_fact(Releases).current
    rollback.before[host.name] = found
    return found


def require_every_code_host(estate: Estate, code_hosts: tuple[Machine, ...]) -> None:
    """Raise OperationError when a host is left out that this release needs.

    All hosts of the application run one release; one that is down (--exclude) gets it when it is back.
    """
    active = {one.name for one in inventory.get_active_hosts()}
    if missing := [one.name for one in up(code_hosts) if one.name not in active]:
        raise OperationError(f"{', '.join(missing)} would keep another release: deploy without --limit")
    if not up(code_hosts):
        raise OperationError("--exclude leaves no host that runs the application: there is nothing to release to")
    run = runs.under_way(estate)
    if run.verb == "release" and (late := run.record.too_late([one.name for one in down(code_hosts)])):
        has = ", ".join(f"{name} has {release}" for name, release in late.items())
        raise OperationError(
            f"{has}, and has missed a release already. After another one it would start with code that does not know "
            "the database's schema. Bring it back first (deploys/all.py), or take it out of the inventory"
        )
    if run.verb == "release" and estate.app.rehearse and not up(estate.members("backup")):
        raise OperationError("the rehearsal needs the backup host: release without rehearse, or when it is back")

"""Whether the repositories are those of the cluster that runs, and what to do with another one's: keep it aside."""

import shlex
from collections.abc import Sequence

from botocore.exceptions import BotoCoreError, ClientError
from pyinfra import host, inventory, logger, state
from pyinfra.api import FunctionCommand, StringCommand, operation
from pyinfra.api.exceptions import ConnectError
from pyinfra.api.host import Host
from pyinfra.api.state import State

from xteam_infra.cloud import client
from xteam_infra.cloud.aside import move
from xteam_infra.engine.absent import up
from xteam_infra.engine.commands import Commands
from xteam_infra.engine.runtime import secret
from xteam_infra.estate import Estate
from xteam_infra.layers.backup.facts import NO_ANSWER, BackedUpCluster, Repositories
from xteam_infra.layers.backup.needs import RESULTS, STANZA, Repository
from xteam_infra.layers.postgres.facts import SystemIdentifier

LOCK = "/var/spool/pgbackrest/xteam-backup.lock"


def running_cluster(estate: Estate) -> str:
    """The system identifier of the cluster that runs, asked of its members, the leader's if one answers; else empty."""
    answers = []
    for machine in up(estate.members("postgres")):
        try:
            identifier, leads = inventory.get_host(machine.name).get_fact(SystemIdentifier, _sudo=True)
        except ConnectError:
            continue
        if leads and identifier:
            return identifier
        answers += [identifier] if identifier else []
    return answers[0] if answers else ""


@operation()
def own_repositories(estate: Estate, repositories: Sequence[Repository], inventory_name: str) -> Commands:
    """Fail when a repository is another cluster's than the one that runs. Note on this host which one that is."""
    found, runs = host.get_fact(Repositories, stanza=STANZA), running_cluster(estate)
    foreign = {one: found.get(one.number, NO_ANSWER).cluster for one in repositories}
    foreign = {one: cluster for one, cluster in foreign.items() if cluster and cluster != runs}
    if foreign and runs:
        complaint = refusal(estate, foreign, runs, inventory_name)
        if not state.is_executing:
            logger.error("%s%s", host.print_prefix, complaint)
        yield FunctionCommand(_refuse, (complaint,), {})
        return
    if foreign and state.is_executing:
        logger.warning("%sno database host answers: nobody knows whose repositories these should be", host.print_prefix)
        return
    if runs and host.get_fact(BackedUpCluster) == runs:
        host.noop(f"the repositories are of the cluster that runs, {runs}")
        return
    path = f"{RESULTS}/cluster"
    yield StringCommand(f"echo {shlex.quote(runs)} > {path}.new && chmod 644 {path}.new && mv {path}.new {path}")


def refusal(estate: Estate, foreign: dict[Repository, str], runs: str, inventory_name: str) -> str:
    """Why the deploy stops, and the two ways on, a command each."""
    lines = [
        f"{one.name} ({one.bucket.name if one.bucket else one.path}) is of another cluster: its system identifier"
        f" is {cluster}, that of the cluster that runs is {runs}"
        for one, cluster in foreign.items()
    ]
    number = min(one.number for one in foreign)
    domain = estate.all.domain
    pyinfra = f"pyinfra {inventory_name}"
    lines += [
        "Nothing was changed in it. Restore it into the cluster that runs, whose data is set aside:",
        f"  {pyinfra} tasks/restore.py --data into=cluster --data target=latest --data repository={number}"
        f' --data confirm="{domain} latest"',
        "Or keep it aside, where nothing is deleted, and begin a new repository:",
        *(f"  {pyinfra} deploys/backup.py --data begin_anew={one}" for one in dict.fromkeys(foreign.values())),
    ]
    return "\n".join(lines)


def _refuse(state: State, host: Host, complaint: str) -> bool:
    """Stop this host. The names of the first two parameters are what pyinfra looks for."""
    logger.error("%s%s", host.print_prefix, complaint)
    return False


@operation()
def keep_aside(estate: Estate, repository: Repository, cluster: str) -> Commands:
    """Move a repository's stanza aside if it is of that cluster and another one runs. Nothing is deleted."""
    found = host.get_fact(Repositories, stanza=STANZA).get(repository.number, NO_ANSWER)
    if found.cluster != cluster:
        host.noop(f"{repository.name} is of {found.cluster or 'no cluster'}: nothing to keep aside")
        return
    if running_cluster(estate) in ("", cluster):
        yield FunctionCommand(_refuse, (f"{cluster} is the cluster that runs, or none does: nothing is moved",), {})
        return
    if repository.bucket:
        yield FunctionCommand(_move_in_bucket, (estate, repository, cluster), {})
        return
    yield StringCommand(f"flock {LOCK} sh -ec {shlex.quote(_moves(repository, cluster))}")


def _moves(repository: Repository, cluster: str) -> str:
    aside = f"{repository.path}/aside/{cluster}"
    # What tells whose it is goes last: a run that ended between the two is made good by the next one.
    places = [(f"{repository.path}/{part}/{STANZA}", f"{aside}/{part}/{STANZA}") for part in ("archive", "backup")]
    moves = [f"if [ -e {here} ]; then mv -T {here} {there}; fi" for here, there in places]
    owned = "install -d -o postgres -g postgres -m 750"
    return "; ".join([f"{owned} {repository.path}/aside {aside} {aside}/backup {aside}/archive", *moves])


def _move_in_bucket(state: State, host: Host, estate: Estate, repository: Repository, cluster: str) -> bool:
    """By the backup host's key, from this controller. False, with S3's words, when it is refused."""
    settings, bucket, root = estate.backup, estate.backup.bucket, repository.path.strip("/")
    assert bucket, "a repository in it is declared"
    s3 = client(settings.storage, (secret(settings.backup_s3_key_id), secret(settings.backup_s3_key)))
    try:
        # What tells whose it is goes last: backups are listed by it.
        for part in ("archive", "backup"):
            target = f"{root}/aside/{cluster}/{part}/{STANZA}/"
            count = move(s3, bucket.name, f"{root}/{part}/{STANZA}/", target)
            logger.info("%s%s objects of %s are now below %s", host.print_prefix, count, part, target)
    except (BotoCoreError, ClientError) as error:
        logger.error("%smove aside in bucket %s: %s", host.print_prefix, bucket.name, error)
        return False
    return True

"""Replacing a role's data by a snapshot: refused unless it is clear, then one step after the other, all shown."""

from collections.abc import Iterator

from pyinfra.api import FunctionCommand, QuoteString, StringCommand, operation

from xteam_infra.engine.absent import up
from xteam_infra.engine.commands import Commands
from xteam_infra.errors import Problem, SettingsError
from xteam_infra.estate import Estate
from xteam_infra.layers.backup.operations import run_and_show

SERVE = "xteam-redis-serve@{}.service"


def validate_restore(estate: Estate) -> None:
    """Raise SettingsError when --data does not say which role to replace, or does not confirm it."""
    if problems := list(_unclear(estate)):
        raise SettingsError(problems)


def _unclear(estate: Estate) -> Iterator[Problem]:
    settings = estate.redis
    role, kept = settings.redis_restore_role, settings.backed_up()
    if not estate.members("backup"):
        yield Problem(estate.inventory, "backup", "no host", "one host that keeps the snapshots")
    elif not up(estate.members("backup")):
        yield Problem("--exclude", "backup", "the host that keeps the snapshots", "it is needed for this")
    if role not in kept:
        yield Problem("--data", "redis_restore_role", repr(role), f"one of {', '.join(kept)}")
    if estate.backup.repository == 2 and not estate.backup.bucket:
        yield Problem("--data", "repository", "2", "1: backup_s3_bucket is not set")
    if role in kept and settings.redis_restore_confirm != f"replace {role}":
        allowed = f'"replace {role}": what it holds now is moved aside'
        yield Problem("--data", "redis_restore_confirm", repr(settings.redis_restore_confirm), allowed)


@operation(is_idempotent=False)
def offer(role: str, snapshot: str, repository: int) -> Commands:
    """Have the backup host check a snapshot and offer it to the Redis hosts. repository: 1, or 2: the bucket."""
    unit = SERVE.format(f"{role}:{snapshot}:{repository}")
    why = f"{{ journalctl --no-pager -n 20 -u '{unit}' >&2; exit 1; }}"
    say = f"journalctl --no-pager -o cat -n 200 -u '{unit}' _COMM=python3 | tail -n 1"
    command = StringCommand(f"systemctl stop '{SERVE.format('*')}'; systemctl start '{unit}' || {why}; {say}")
    yield FunctionCommand(run_and_show, (command,), {})


@operation(is_idempotent=False)
def withdraw() -> Commands:
    """End every offer."""
    yield StringCommand(f"systemctl stop '{SERVE.format('*')}'")


@operation(is_idempotent=False)
def step(verb: str, role: str) -> Commands:
    """One host's part of a restore: fetch, set-aside, replace or follow."""
    command = StringCommand("/usr/local/sbin/xteam-redis-restore", QuoteString(verb), QuoteString(role))
    yield FunctionCommand(run_and_show, (command,), {})

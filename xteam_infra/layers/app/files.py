"""The application as both of its layers see it: its release, and the files every process of it starts with."""

from collections.abc import Iterator
from typing import Any

from xteam_infra.engine.host_packages import module_command, package_files, shell_command, shell_settings
from xteam_infra.engine.once import OncePer
from xteam_infra.engine.operations import HostFile
from xteam_infra.errors import Problem, SettingsError
from xteam_infra.estate import Estate
from xteam_infra.layers.app import needs as paths
from xteam_infra.layers.app import releases as deployment
from xteam_infra.layers.backup.retention import backup_days
from xteam_infra.layers.celery.needs import BEAT_TASKS, BEAT_UNIT
from xteam_infra.layers.router.needs import POOLER_PORT, WRITE_PORT, redis_ports
from xteam_infra.machine import Machine
from xteam_infra.plan import CA_PATH
from xteam_infra.release import PYTHON_VERSION, Release
from xteam_infra.settings.celery import CelerySettings, CeleryWorker

CELERY_SETTINGS = "/etc/xteam/celery.json"
# Below a release.
SITE_PACKAGES = f"venv/lib/python{PYTHON_VERSION}/site-packages"
# Numbered databases of the queue's Redis.
BROKER_DATABASE, RESULT_DATABASE = 0, 1
_wanted: OncePer[Release] = OncePer()


def release(estate: Estate) -> Release:
    """The release to run, decided once a run on the controller. Raises ReleaseError when it can't be had."""
    return _wanted.ask(estate, lambda: deployment.wanted(estate))


def require_backends(estate: Estate) -> None:
    """Raise SettingsError when the estate has nothing the application could keep its data in."""
    problems = [
        Problem(estate.inventory, group, "no host", f"a host at least: the application needs {purpose}")
        for group, purpose in (("postgres", "PostgreSQL"), ("redis", "Redis"))
        if not estate.members(group)
    ]
    if problems:
        raise SettingsError(problems)


def environment(estate: Estate, machine: Machine, release_id: str) -> HostFile:
    """The environment of every process of the application. Its group may read it, for the operators' commands."""
    context = {
        "machine": machine,
        "release_id": release_id,
        "paths": paths,
        "pooler_port": POOLER_PORT,
        "redis_ports": redis_ports(estate),
        "broker_database": BROKER_DATABASE,
        "result_database": RESULT_DATABASE,
        "celery_settings": CELERY_SETTINGS,
        "backup_days": backup_days(estate),
    }
    return HostFile(paths.ENVIRONMENT, "app/app.env.j2", context, group=paths.ACCOUNT, mode="640")


def migrator_environment() -> HostFile:
    """The environment of a migration: another database role, past the pooler, which would lose the session's lock."""
    context = {"paths": paths, "write_port": WRITE_PORT}
    return HostFile(paths.MIGRATOR_ENVIRONMENT, "app/migrate.env.j2", context, mode="600")


def celery_settings(settings: CelerySettings) -> HostFile:
    """What xteam_runtime.loader adds to the application's own Celery configuration."""
    return HostFile(CELERY_SETTINGS, "celery/celery.json.j2", {"celery": settings, "ca_path": CA_PATH})


def worker_environment(name: str, worker: CeleryWorker) -> HostFile:
    """What one worker adds to the environment."""
    return HostFile(f"/etc/xteam/worker-{name}.env", "celery/worker.env.j2", {"name": name, "worker": worker})


def api_unit(estate: Estate, machine: Machine) -> HostFile:
    """The unit of both instances of a host's API."""
    context = {
        "machine": machine,
        "paths": paths,
        "certificate": paths.certificate(estate, machine),
        "site_packages": SITE_PACKAGES,
    }
    return _unit("app", paths.API_TEMPLATE, context)


def cleanup_unit() -> HostFile:
    """The unit that removes old workspaces."""
    return _unit("app", "xteam-cleanup.service", {"paths": paths})


def migrate_command() -> HostFile:
    """What runs a release's migrations."""
    return shell_command("xteam-migrate")


def operate_command() -> HostFile:
    """What runs operators' commands as the owner of the tables."""
    return shell_command("xteam-operate")


def worker_unit() -> HostFile:
    """The unit of all workers of a host."""
    return _unit("celery", "xteam-worker@.service", {"paths": paths})


def beat_unit() -> HostFile:
    """The unit of a host's Beat."""
    return _unit("celery", BEAT_UNIT, {"paths": paths, "tasks_max": BEAT_TASKS})


def _unit(layer: str, name: str, context: dict[str, Any]) -> HostFile:
    return HostFile(f"/etc/systemd/system/{name}", f"{layer}/{name}.j2", context)


def process_files(estate: Estate, machine: Machine, release_id: str) -> list[HostFile]:
    """What every process of the application starts with, its Celery included. A change calls for a restart."""
    return [environment(estate, machine, release_id), celery_settings(estate.celery), *operator_modules()]


def commands(estate: Estate) -> list[HostFile]:
    """The release's Python, for units and for operators, and what operators look through it with."""
    return [
        command_settings(estate),
        shell_command("xteam-python", directory="/usr/local/bin"),
        *(shell_command(name) for name in ("xteam-run", "xteam-smoke")),
        module_command("xteam-log-errors", "xteam_log_errors"),
        *package_files("xteam_log_errors"),
    ]


def command_settings(estate: Estate) -> HostFile:
    """What the layer's shell commands read."""
    values = {
        "ACCOUNT": paths.ACCOUNT,
        "CA": CA_PATH,
        "CURRENT": paths.CURRENT,
        "DOMAIN": estate.all.domain,
        "ENVIRONMENT": paths.ENVIRONMENT,
        "MANAGE_MODULE": estate.app.app_manage_module,
        "MIGRATE_MODULE": estate.app.app_migrate_module,
        "MIGRATOR_ENVIRONMENT": paths.MIGRATOR_ENVIRONMENT,
        "RELEASES": paths.RELEASES,
        "RUNTIME": paths.RUNTIME,
        "UPLOADS": paths.UPLOADS,
        "WORKSPACES": paths.WORKSPACES,
    }
    return shell_settings("app", values)


def operator_modules() -> Iterator[HostFile]:
    """The modules that run inside the application's Celery processes, copied as they are."""
    return package_files("xteam_runtime", paths.RUNTIME)

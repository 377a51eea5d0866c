"""Who uses a database password: the file it stands in, and the processes that must read it again."""

from typing import NamedTuple

from xteam_infra.estate import Estate
from xteam_infra.layers.app import files as application
from xteam_infra.layers.app import needs as paths
from xteam_infra.layers.celery.needs import BEAT_UNIT, takes_tasks, worker_unit
from xteam_infra.layers.router.needs import POOLER_PORT, READ_PORT, WRITE_PORT
from xteam_infra.machine import Machine


class Unit(NamedTuple):
    """One unit with the inputs its layer gives it, so that the layer's next run finds it as it should be."""

    name: str
    inputs: list[str]
    health: str


def environment_of(estate: Estate, role: str) -> str:
    """The environment file on client hosts that holds the password of `role`; empty when none does."""
    files = {estate.postgres.POSTGRES_USER: paths.ENVIRONMENT, "migrator": paths.MIGRATOR_ENVIRONMENT}
    return files.get(role, "")


def ways(estate: Estate, role: str) -> list[tuple[str, int]]:
    """Name and port of each way by which `role` comes to the database."""
    direct = [(estate.fqdn("postgres"), WRITE_PORT), (estate.fqdn("postgres"), READ_PORT)]
    pooled = [(estate.fqdn("pgbouncer"), POOLER_PORT)] if role == estate.postgres.POSTGRES_USER else []
    return [*pooled, *direct]


def api_inputs(estate: Estate, machine: Machine, environment: str) -> list[str]:
    """The inputs of the API of `machine`; empty when it does not start with `environment`."""
    if environment != paths.ENVIRONMENT or "app" not in machine.groups:
        return []
    unit = f"/etc/systemd/system/{paths.API_TEMPLATE}"
    return [unit, *_shared(estate, machine), paths.certificate(estate, machine).crt]


def worker_units(estate: Estate, machine: Machine, environment: str) -> list[Unit]:
    """The workers and Beat of `machine`, when they start with `environment`, in the order in which they restart."""
    if environment != paths.ENVIRONMENT or "worker" not in machine.groups:
        return []
    shared = [*_shared(estate, machine), paths.CURRENT]
    beat = Unit(BEAT_UNIT, [f"/etc/systemd/system/{BEAT_UNIT}", *shared], "")
    return [*(_worker(estate, name, shared) for name in estate.celery.celery_workers), beat]


def _shared(estate: Estate, machine: Machine) -> list[str]:
    return [file.dest for file in application.process_files(estate, machine, "")]


def _worker(estate: Estate, name: str, shared: list[str]) -> Unit:
    inputs = ["/etc/systemd/system/xteam-worker@.service", f"/etc/xteam/worker-{name}.env", *shared]
    return Unit(worker_unit(name), inputs, takes_tasks(estate.celery, name))

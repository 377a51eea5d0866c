"""One rendering: the estate, the cluster, and what follows from both."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from xteam_infra.errors import Problem
from xteam_infra.estate import Estate
from xteam_infra.kubernetes.options import KubernetesError, Options
from xteam_infra.machine import Machine
from xteam_infra.settings.postgres import OWN_CONNECTIONS
from xteam_infra.settings.router import DATABASES

# Beyond that a person should look, and be asked what it costs.
MOST_TIMES = 4
# Slashes become dots in the cluster, where a name may have none, and back.
SPEAKABLE = re.compile(r"^[A-Za-z0-9_/-]+$")
# One may be gone (a drained node, a rollout) while the other serves.
LEAST_REPLICAS = 2


@dataclass(frozen=True)
class Target:
    """What is rendered. A pod takes the place of a host that is in the groups app and worker.

    Raises KubernetesError with everything that is wrong.
    """

    estate: Estate
    options: Options

    def __post_init__(self) -> None:
        if problems := [
            *self.options.problems(),
            *self._without_backends(),
            *self._unreadable(),
            *self._too_many_replicas(),
        ]:
            raise KubernetesError(problems)

    @property
    def pod(self) -> Machine:
        """A pod, to templates that write a host's files. It listens on every address, for it does not know its own."""
        return Machine(name="pod", address="0.0.0.0", region="", groups=("app", "worker"))  # noqa: S104

    def replicas(self, group: str) -> int:
        """As many as there are hosts of that group, but at least two."""
        return max(LEAST_REPLICAS, len(self.estate.members(group)))

    @property
    def most_replicas(self) -> int:
        """API pods at most: a few times the least, if PostgreSQL has room for their connections."""
        least = self.replicas("app")
        return self.options.max_replicas or max(least, min(self.fitting_replicas, MOST_TIMES * least))

    @cached_property
    def fitting_replicas(self) -> int:
        """API pods for which there are connections left. Two releases run at once during a rollout: one pod more."""
        estate = self.estate
        left = estate.postgres.postgres_max_connections - OWN_CONNECTIONS
        if self.options.beside_hosts:
            hosts = [machine for machine in estate.machines if {"app", "worker"} & set(machine.groups)]
            left -= len(hosts) * DATABASES * estate.router.pgbouncer_server_connections
        # A worker's process does one task at a time, on one connection; a migration and a clean-up have one each.
        processes = [worker.concurrency for worker in estate.celery.celery_workers.values()]
        left -= sum((self.replicas("worker") + 1) * count for count in processes) + 2
        return left // self.api_connections - 1

    @property
    def api_connections(self) -> int:
        """What one API pod opens while it is busy."""
        settings = self.estate.app
        return settings.api_workers * (settings.database_pool_size + settings.database_max_overflow)

    def _without_backends(self) -> Iterator[Problem]:
        for group in ("postgres", "redis"):
            if not self.estate.members(group):
                yield Problem(self.estate.inventory, group, "no host", "a host at least: pods keep their data on hosts")

    def _unreadable(self) -> Iterator[Problem]:
        store = self.estate.all.secrets_store
        if self.options.secret_store and not store.startswith("aws:"):
            allowed = "no such argument with this store, which a cluster can't read: make the Secret by hand"
            yield Problem("arguments", "--secret-store", f"secrets_store is {store}", allowed)
        settings = self.estate.postgres
        secrets = (*self.estate.app.secrets.values(), settings.POSTGRES_PASSWORD, settings.postgres_migrator_password)
        for name in (secret.name for secret in secrets):
            if not SPEAKABLE.match(name):
                yield Problem("group_data", f"the name of secret {name}", "no key of a Secret", "A-Z a-z 0-9 _ - and /")

    def _too_many_replicas(self) -> Iterator[Problem]:
        most, fits = self.most_replicas, self.fitting_replicas
        if most > fits:
            found = f"{most} API pods with up to {self.api_connections} connections each"
            have = self.estate.postgres.postgres_max_connections
            need = have + (most - fits) * self.api_connections
            allowed = f"at most {max(fits, 0)} pods, or postgres_max_connections of {need} or more (now {have})"
            yield Problem("group_data/postgres.py", "postgres_max_connections", found, allowed)

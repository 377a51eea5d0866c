"""The plan of one host: every layer's needs put together, contradictions found."""

from collections.abc import Iterator
from dataclasses import dataclass

from xteam_infra.distribution import DISTRIBUTION
from xteam_infra.errors import Problem
from xteam_infra.plan.needs import INTERNAL_CA, Account, Certificate, HostRequirements, Leave, ListenPort, Reach

# Units that Debian's packages enable by themselves. Not started at the installation, they would start at the next boot.
UNITS_OF_PACKAGES = {
    "haproxy": ("haproxy.service",),
    "keepalived": ("keepalived.service",),
    "patroni": ("patroni.service",),
    # Starts the clusters of Debian's own kind; Patroni's are started by Patroni.
    **dict.fromkeys(("pgbouncer", DISTRIBUTION.postgres_server, DISTRIBUTION.postgres_client), ("postgresql.service",)),
    "pgbouncer": ("pgbouncer.service", "postgresql.service"),
    "restic-rest-server": ("restic-rest-server.service",),
}


@dataclass(frozen=True)
class HostPlan:
    """What one host carries, by layer."""

    machine: str
    needs: dict[str, HostRequirements]

    @property
    def packages(self) -> list[str]:
        """Every Debian package, sorted, each once."""
        return sorted({name for need in self.needs.values() for name in need.packages})

    @property
    def masked(self) -> list[str]:
        """Units that must never start: those named, and those that packages bring along and no layer asks for."""
        named = {unit for need in self.needs.values() for unit in need.masked}
        brought = {unit for package in self.packages for unit in UNITS_OF_PACKAGES.get(package, ())}
        return sorted(named | brought - set(self.units))

    @property
    def files(self) -> dict[str, str]:
        """Files that must be there before the packages are installed."""
        return {path: text for need in self.needs.values() for path, text in need.files.items()}

    @property
    def accounts(self) -> list[Account]:
        """System accounts, each once."""
        return sorted({a for need in self.needs.values() for a in need.accounts}, key=lambda a: a.name)

    @property
    def listens(self) -> list[ListenPort]:
        """Listening ports in port order."""
        return sorted((one for need in self.needs.values() for one in need.listens), key=lambda one: one.port)

    @property
    def reaches(self) -> list[Reach]:
        """What services connect to outside of the estate."""
        return [one for need in self.needs.values() for one in need.reaches]

    @property
    def certificates(self) -> list[Certificate]:
        """Leaf certificates in name order."""
        return sorted((c for need in self.needs.values() for c in need.certificates), key=lambda c: c.name)

    @property
    def issuers(self) -> list[str]:
        """The authorities whose clients the host's listeners let in, beside the internal CA."""
        return sorted({one.issuer for one in self.listens} - {INTERNAL_CA})

    @property
    def sysctls(self) -> dict[str, str]:
        """Kernel settings, sorted by key."""
        return dict(sorted((key, value) for need in self.needs.values() for key, value in need.sysctls.items()))

    @property
    def memory_mb(self) -> dict[str, int]:
        """The most each service may use, in MiB."""
        return {name: mb for need in self.needs.values() for name, mb in need.memory_mb.items()}

    @property
    def units(self) -> list[str]:
        """Units that must be active."""
        return [unit for need in self.needs.values() for unit in need.units]

    @property
    def whole(self) -> dict[str, str]:
        """Shell commands by name that succeed while the clusters this host belongs to are whole."""
        return {name: command for need in self.needs.values() for name, command in need.whole.items()}

    @property
    def leaves(self) -> dict[str, Leave]:
        """What the host does before it is rebooted, by name and in this order."""
        return {name: one for need in self.needs.values() for name, one in need.leaves.items()}

    def contradictions(self) -> Iterator[Problem]:
        """Two layers on one port, or two values for one kernel setting."""
        where = f"host {self.machine}"
        ports: dict[int, str] = {}
        sysctls: dict[str, tuple[str, str]] = {}
        for layer, need in self.needs.items():
            for listen in need.listens:
                if taken := ports.get(listen.port):
                    found = f"{taken} and {layer} ({listen.purpose})"
                    yield Problem(where, f"port {listen.port}", found, "one service a port; change one's port setting")
                ports[listen.port] = f"{layer} ({listen.purpose})"
            for key, value in need.sysctls.items():
                other, wanted = sysctls.setdefault(key, (layer, value))
                if wanted != value:
                    yield Problem(where, key, f"{other} wants {wanted}, {layer} wants {value}", "one value a host")

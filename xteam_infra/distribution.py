"""What differs between one Debian release and the next: its name, and the versions of what it packages."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Distribution:
    """os: as the fact HostFitness says it. release: the name in apt's sources. python, postgres: their versions."""

    os: str
    release: str
    python: str
    postgres: str

    @property
    def postgres_cluster(self) -> str:
        """Debian's name of the database cluster, and Patroni's scope."""
        return f"{self.postgres}-main"

    @property
    def postgres_unit(self) -> str:
        """Patroni's unit."""
        return f"patroni@{self.postgres_cluster}.service"

    @property
    def postgres_home(self) -> str:
        """Where this version's clusters are."""
        return f"/var/lib/postgresql/{self.postgres}"

    @property
    def postgres_data(self) -> str:
        """The cluster's data directory."""
        return f"{self.postgres_home}/main"

    @property
    def postgres_configuration(self) -> str:
        """Its configuration directory."""
        return f"/etc/postgresql/{self.postgres}/main"

    @property
    def postgres_programs(self) -> str:
        """Programs of the server that are not in PATH."""
        return f"/usr/lib/postgresql/{self.postgres}/bin"

    @property
    def postgres_server(self) -> str:
        """Package of the server."""
        return f"postgresql-{self.postgres}"

    @property
    def postgres_pgaudit(self) -> str:
        """Package of the extension pgaudit."""
        return f"postgresql-{self.postgres}-pgaudit"

    @property
    def postgres_client(self) -> str:
        """Package of psql and of what dumps and restores."""
        return f"postgresql-client-{self.postgres}"


DISTRIBUTION = Distribution(os="debian 13", release="trixie", python="3.13", postgres="17")

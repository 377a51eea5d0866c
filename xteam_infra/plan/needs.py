"""The vocabulary in which a layer says what it needs of a host."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from xteam_infra.pki.leaf import Subject

PKI_DIRECTORY = "/etc/xteam/pki"
CA_PATH = f"{PKI_DIRECTORY}/ca.crt"


@dataclass(frozen=True)
class Listen:
    """A port a service listens on, and who may reach it.

    protocol: "tcp", or "vrrp", which has no ports: `port` is then its number as a protocol of IP.
    sources: group names, "world" (anyone), "management" (management_networks) or "local" (this host alone).
    """

    port: int
    purpose: str
    sources: tuple[str, ...]
    protocol: str = "tcp"


@dataclass(frozen=True)
class Certificate:
    """A leaf certificate of the internal CA on the host, with its key readable by `owner` alone.

    bundle: write certificate and key into one .pem, as HAProxy wants them.
    """

    name: str
    subject: Subject
    owner: str = "root"
    bundle: bool = False

    @property
    def crt(self) -> str:
        """Path of the certificate (the whole bundle, if it is one)."""
        return f"{PKI_DIRECTORY}/{self.name}.{'pem' if self.bundle else 'crt'}"

    @property
    def key(self) -> str:
        """Path of the private key."""
        return self.crt if self.bundle else f"{PKI_DIRECTORY}/{self.name}.key"


@dataclass(frozen=True)
class Account:
    """A system account that no Debian package makes."""

    name: str
    home: str = "/nonexistent"
    groups: tuple[str, ...] = ()


@dataclass(frozen=True)
class Needs:
    """What one layer needs of one host. Composed per host by xteam_infra.plan; contradictions are errors.

    masked: units that packages bring and that must never start.
    files: path and text of files that must be there before the packages are installed.
    memory_mb: the most each service may use; the sum is checked against the host.
    units: units that must be active and enabled once the layer is laid.
    sysctls: kernel settings as key and value.
    """

    packages: tuple[str, ...] = ()
    masked: tuple[str, ...] = ()
    files: Mapping[str, str] = field(default_factory=dict)
    accounts: tuple[Account, ...] = ()
    listens: tuple[Listen, ...] = ()
    certificates: tuple[Certificate, ...] = ()
    memory_mb: Mapping[str, int] = field(default_factory=dict)
    sysctls: Mapping[str, str] = field(default_factory=dict)
    units: tuple[str, ...] = ()

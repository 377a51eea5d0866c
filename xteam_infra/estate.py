"""One frozen declaration of everything: machines, groups and typed settings, the same for all hosts of a run."""

from pathlib import Path

from pydantic import BaseModel, ConfigDict
from pyinfra.api.host import Host
from pyinfra.api.inventory import Inventory

from xteam_infra.errors import Problem, SettingsError
from xteam_infra.layers import GROUPS
from xteam_infra.machine import Machine
from xteam_infra.settings.all import AllSettings
from xteam_infra.settings.app import AppSettings
from xteam_infra.settings.backup import BackupSettings
from xteam_infra.settings.base import BaseSettings
from xteam_infra.settings.celery import CelerySettings
from xteam_infra.settings.certificates import CertificatesSettings
from xteam_infra.settings.edge import EdgeSettings
from xteam_infra.settings.etcd import EtcdSettings
from xteam_infra.settings.files import FilesSettings
from xteam_infra.settings.firewall import FirewallSettings
from xteam_infra.settings.load import Loader
from xteam_infra.settings.logs import LogsSettings
from xteam_infra.settings.postgres import PostgresSettings
from xteam_infra.settings.redis import RedisSettings
from xteam_infra.settings.repeated import repeated_keys
from xteam_infra.settings.router import RouterSettings
from xteam_infra.settings.storage import StorageSettings


class Estate(BaseModel):
    """Everything true of the estate: settings and machines. Holds references to secrets, never values.

    One field for each layer with settings; tests/unit/test_layout.py compares them with xteam_infra.layers.
    """

    model_config = ConfigDict(frozen=True)

    inventory: str
    machines: tuple[Machine, ...]
    all: AllSettings
    base: BaseSettings
    firewall: FirewallSettings
    certificates: CertificatesSettings
    storage: StorageSettings
    etcd: EtcdSettings
    postgres: PostgresSettings
    backup: BackupSettings
    redis: RedisSettings
    router: RouterSettings
    app: AppSettings
    celery: CelerySettings
    files: FilesSettings
    edge: EdgeSettings
    logs: LogsSettings

    def __hash__(self) -> int:
        """Settings hold dictionaries, which have none."""
        return hash((self.inventory, self.machines))

    def members(self, group: str) -> tuple[Machine, ...]:
        """The machines of a group, in inventory order."""
        return tuple(machine for machine in self.machines if group in machine.groups)

    def machine(self, name: str) -> Machine:
        """The machine of that name."""
        return next(machine for machine in self.machines if machine.name == name)

    def fqdn(self, name: str) -> str:
        """The internal name of a machine or service."""
        return f"{name}.{self.all.internal_domain}"


def assemble(inventory: Inventory, inventory_file: str) -> Estate:
    """Build the estate from a pyinfra inventory. Raises SettingsError with all that is wrong with single values."""
    loader = Loader(Path(inventory_file).stem)
    loader.problems += repeated_keys(Path("group_data"))
    loader.read(inventory.get_data(), inventory.group_data, inventory.get_override_data())
    models = loader.models()
    machines = tuple(_machine(host) for host in inventory)
    if not machines:
        loader.problems.append(Problem(inventory_file, "hosts", "none", "at least one host in one group"))
    if loader.problems:
        raise SettingsError(loader.problems)
    return Estate.model_validate({"inventory": inventory_file, "machines": machines, **models})


def _machine(host: Host) -> Machine:
    address = host.data.get("address") or host.data.get("ssh_hostname") or host.name
    groups = tuple(group for group in GROUPS if group in host.groups)
    return Machine(name=host.name, address=address, region=host.data.get("region") or "a", groups=groups)

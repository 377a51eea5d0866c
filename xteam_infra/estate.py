"""One frozen declaration of everything: machines, groups and typed settings, the same for all hosts of a run."""

import subprocess
import sys
from functools import cached_property
from pathlib import Path

from pydantic import BaseModel, ConfigDict
from pyinfra.api.exceptions import PyinfraError

from xteam_infra.errors import Problem, SettingsError
from xteam_infra.plan import HostPlan, plan_host
from xteam_infra.settings import (
    AllSettings,
    AppSettings,
    BackupSettings,
    BaseSettings,
    CelerySettings,
    CertificatesSettings,
    EdgeSettings,
    EtcdSettings,
    FilesSettings,
    FirewallSettings,
    LogsSettings,
    PostgresSettings,
    RedisSettings,
    RouterSettings,
    StorageSettings,
)
from xteam_infra.settings.load import GROUPS, Loader
from xteam_infra.settings.model import LayerSettings
from xteam_infra.settings.repeated import repeated_keys
from xteam_infra.settings.stored import stored_problems


class Machine(BaseModel):
    """One host of the inventory. address: where the other hosts reach it."""

    model_config = ConfigDict(frozen=True)

    name: str
    address: str
    region: str
    groups: tuple[str, ...]

    @property
    def url_host(self) -> str:
        """The address as it stands in a URL."""
        return f"[{self.address}]" if ":" in self.address else self.address


class Estate(BaseModel):
    """Everything true of the estate. Holds references to secrets, never values."""

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

    def members(self, group: str) -> tuple[Machine, ...]:
        """The machines of a group, in inventory order."""
        return tuple(machine for machine in self.machines if group in machine.groups)

    def machine(self, name: str) -> Machine:
        """The machine of that name."""
        return next(machine for machine in self.machines if machine.name == name)

    def fqdn(self, name: str) -> str:
        """The internal name of a machine or service."""
        return f"{name}.{self.all.internal_domain}"

    @cached_property
    def plans(self) -> dict[str, HostPlan]:
        """The host plan of each machine."""
        return {machine.name: plan_host(self, machine) for machine in self.machines}

    def layers(self) -> tuple[LayerSettings, ...]:
        """The settings of every layer."""
        values = (getattr(self, name) for name in type(self).model_fields)
        return tuple(one for one in values if isinstance(one, LayerSettings))

    def problems(self) -> list[Problem]:
        """What only shows when settings and hosts are looked at together."""
        found: list[Problem] = []
        for layer in type(self).model_fields:
            settings = getattr(self, layer)
            if hasattr(settings, "problems"):
                found += settings.problems(self)
        found += stored_problems(self)
        for plan in self.plans.values():
            found += plan.contradictions()
        return found


def read_estate(inventory, inventory_file: str) -> Estate:
    """Build the estate from a pyinfra inventory. Raises SettingsError with every problem found."""
    name = Path(inventory_file).stem
    loader = Loader(name)
    loader.problems += repeated_keys(Path("group_data"))
    loader.read(inventory.get_data(), inventory.group_data, inventory.get_override_data())
    models = loader.models()
    machines = tuple(_machine(host) for host in inventory)
    if not machines:
        loader.problems.append(Problem(inventory_file, "hosts", "none", "at least one host in one group"))
    if loader.problems:
        raise SettingsError(loader.problems)
    estate = Estate.model_validate({"inventory": inventory_file, "machines": machines, **models})
    if problems := estate.problems():
        raise SettingsError(problems)
    return estate


def declared(inventory_file: str) -> Estate:
    """The estate of an inventory, read in a process of its own: pyinfra reads one inventory a process.

    Raises PyinfraError with every problem found.
    """
    if not Path(inventory_file).exists():
        there = ", ".join(sorted(str(path) for path in Path("inventories").glob("[!_]*.py")))
        raise PyinfraError(f"no inventory at {inventory_file}; there are: {there or 'none in inventories/'}")
    command = [sys.executable, "-W", "ignore", "-m", "xteam_infra.estate", inventory_file]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise PyinfraError(done.stderr.strip())
    return Estate.model_validate_json(done.stdout)


def _machine(host) -> Machine:
    address = host.data.get("address") or host.data.get("ssh_hostname") or host.name
    groups = tuple(group for group in GROUPS if group in host.groups)
    return Machine(name=host.name, address=address, region=host.data.get("region") or "a", groups=groups)


def main() -> None:
    """`python -m xteam_infra.estate INVENTORY`: print the validated estate as JSON, for readers in other processes."""
    import argparse

    from pyinfra.api import State
    from pyinfra.api.config import Config
    from pyinfra.context import ctx_config, ctx_state
    from pyinfra_cli.inventory import make_inventory

    parser = argparse.ArgumentParser(prog="python -m xteam_infra.estate", description=main.__doc__)
    parser.add_argument("inventory", help="path of an inventory file, such as inventories/prod.py")
    path = parser.parse_args().inventory
    if not Path(path).exists():
        parser.error(f"no inventory at {path}")
    ctx_state.set(State())
    ctx_config.set(Config())
    try:
        inventory = make_inventory(path, cwd=str(Path.cwd()))
        print(read_estate(inventory, path).model_dump_json())
    except PyinfraError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()

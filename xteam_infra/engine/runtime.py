"""What a deploy file opens first: the estate, this host's place in it, secrets and templates."""

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from pyinfra import host, inventory, state

from xteam_infra.distribution import DISTRIBUTION
from xteam_infra.engine.once import OncePer
from xteam_infra.engine.pyinfra_internals import tune_connection, tune_stack_lookup
from xteam_infra.errors import SettingsError
from xteam_infra.estate import Estate
from xteam_infra.layers import GROUPS
from xteam_infra.machine import Machine
from xteam_infra.pki import Authority, make_authority, secret_of
from xteam_infra.plan import CA_PATH, INTERNAL_CA, TLS_CIPHERS, HostPlan, trust_path
from xteam_infra.plan.compose import plans
from xteam_infra.plan.needs import METRICS_DIRECTORY
from xteam_infra.secrets import Secret, Vault, escape, open_store
from xteam_infra.settings import BY_LAYER
from xteam_infra.validate import read_estate

PROJECT = Path(__file__).parents[2]
_opened: OncePer[Estate | SettingsError] = OncePer()


def open_estate() -> Estate:
    """The validated declaration, read once a run. Raises SettingsError before any host is changed."""
    tune_connection(host)
    _tune_stack_lookup()
    found = _opened.ask(inventory.hosts, _read)
    if isinstance(found, SettingsError):
        raise found
    return found


def _read() -> Estate | SettingsError:
    try:
        return read_estate(inventory, inventory_path())
    except SettingsError as error:
        return error


def here() -> Machine:
    """The machine this deploy code is running for."""
    return open_estate().machine(host.name)


def plan() -> HostPlan:
    """The host plan of this machine."""
    return plans(open_estate())[host.name]


@cache
def _tune_stack_lookup() -> None:
    tune_stack_lookup([*(PROJECT / "deploys").glob("*.py"), *(PROJECT / "tasks").glob("*.py")], PROJECT)


@cache
def vault() -> Vault:
    """This run's secrets. Missing ones are stored only once operations run: --dry leaves no trace."""
    return Vault(open_store(open_estate().all.secrets_store), may_write=lambda: state.is_executing)


def secret(reference: Secret | str) -> str:
    """The value of a secret. Only templates and operations call this; never put the result in an argument."""
    return vault().resolve(Secret(reference) if isinstance(reference, str) else reference)


def authority(issuer: str = INTERNAL_CA) -> Authority:
    """An internal certificate authority; made on first use."""
    kept = secret_of(issuer)
    return Authority(vault().resolve(kept, lambda: make_authority(issuer)), kept.name)


@cache
def _templates() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(PROJECT / "templates"),
        undefined=StrictUndefined,
        keep_trailing_newline=True,
        trim_blocks=True,
        lstrip_blocks=True,
        autoescape=False,  # noqa: S701 - configuration files, not HTML
    )
    environment.globals.update(
        ca_path=CA_PATH,
        trust_path=trust_path,
        tls_ciphers=TLS_CIPHERS,
        metrics_directory=METRICS_DIRECTORY,
        distribution=DISTRIBUTION,
    )
    escape.register(environment.filters)
    return environment


def render(template: str, context: Mapping[str, Any], reveal: bool = True) -> str:
    """Render templates/<template>. `secret(reference)` in it is the value, or a placeholder unless `reveal`."""
    resolve = secret if reveal else escape.placeholder
    return fill(template, {"estate": open_estate(), **context, "secret": resolve})


def fill(template: str, values: Mapping[str, Any]) -> str:
    """Render templates/<template> from these values alone."""
    return _templates().get_template(template).render(values)


def inventory_path() -> str:
    """The inventory's file, as a person names it."""
    return f"inventories/{_inventory_name()}.py"


def _inventory_name() -> str:
    """pyinfra puts all hosts in a group named after the inventory file, after the file's own groups."""
    named = [
        name
        for name in inventory.group_data
        if name not in GROUPS and name not in BY_LAYER and inventory.groups.get(name)
    ]
    return named[-1] if named else "inventory"

"""Every rule of every layer, before anything is changed."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from pyinfra.api.exceptions import PyinfraError
from pyinfra.api.inventory import Inventory

from xteam_infra.errors import Problem, SecretsError, SettingsError
from xteam_infra.estate import Estate, assemble
from xteam_infra.layers import NAMES
from xteam_infra.plan.compose import plans
from xteam_infra.secrets import open_store
from xteam_infra.secrets.escape import refused
from xteam_infra.secrets.mask import MASK
from xteam_infra.settings.all import PLACEHOLDERS
from xteam_infra.settings.stored import Stored


def read_estate(inventory: Inventory, inventory_file: str) -> Estate:
    """The validated estate of a pyinfra inventory. Raises SettingsError with every problem found."""
    estate = assemble(inventory, inventory_file)
    if found := list(problems(estate)):
        raise SettingsError(found)
    return estate


def declared(inventory_file: str) -> Estate:
    """The estate of an inventory, read in a process of its own: pyinfra reads one inventory a process.

    Raises PyinfraError with every problem found.
    """
    if not Path(inventory_file).exists():
        there = ", ".join(sorted(str(path) for path in Path("inventories").glob("[!_]*.py")))
        raise PyinfraError(f"no inventory at {inventory_file}; there are: {there or 'none in inventories/'}")
    command = [sys.executable, "-W", "ignore", "-m", "xteam_infra.validate", inventory_file]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise PyinfraError(done.stderr.strip())
    return Estate.model_validate_json(done.stdout)


def problems(estate: Estate) -> Iterator[Problem]:
    """What only shows when settings and hosts are looked at together."""
    if any(placeholder in estate.all.domain for placeholder in PLACEHOLDERS):
        allowed = "your product's own public name, not the placeholder"
        yield estate.all.problem("domain", estate.all.domain, allowed)
    if not estate.all.management_networks:
        yield estate.all.problem("management_networks", (), "at least one network, or you lock yourself out")
    for rule in _rules("problems"):
        yield from rule(estate)
    yield from _stored_problems(estate)
    for plan in plans(estate).values():
        yield from plan.contradictions()


def stored(estate: Estate) -> list[Stored]:
    """Which secrets the store of the estate may hold."""
    return [one for rule in _rules("stored") for one in rule(estate)]


def _stored_problems(estate: Estate) -> Iterator[Problem]:
    """Every value in the store that is weak, used twice, or that something which reads it would misread."""
    wanted = {one.name: one for one in stored(estate)}
    taken: dict[str, str] = {}
    try:
        store = open_store(estate.all.secrets_store)
        for one in wanted.values():
            value = store.get(one.name)
            if value is None:
                continue
            MASK.add(one.name, value)
            key = f"{one.name} ({one.variable})" if one.variable else one.name
            if fault := one.fault(value):
                yield Problem("the secrets store", key, fault, one.allowed)
            elif why := refused(value, one.formats):
                yield Problem("the secrets store", key, "a value that can't be written where it is read", why)
            elif one.measured and one.unique and value in taken:
                found = f"the same password as {taken[value]}"
                yield Problem("the secrets store", key, found, "one of its own; remove it and one is made")
            elif one.unique:
                taken[value] = one.name
    except SecretsError as error:
        yield Problem("group_data/all.py", "secrets_store", estate.all.secrets_store, str(error))


@cache
def _rules(function: str) -> tuple[Callable[[Estate], Iterator[Any]], ...]:
    """That function of every layer's rules.py, where there is one."""
    names = [f"xteam_infra.layers.{name}.rules" for name in NAMES]
    modules = [import_module(name) for name in names if find_spec(name)]
    return tuple(getattr(module, function) for module in modules if hasattr(module, function))


def main() -> None:
    """`python -m xteam_infra.validate INVENTORY`: print the validated estate as JSON, for other processes."""
    import argparse

    from pyinfra.api.config import Config
    from pyinfra.api.state import State
    from pyinfra.context import ctx_config, ctx_state
    from pyinfra_cli.inventory import make_inventory

    parser = argparse.ArgumentParser(prog="python -m xteam_infra.validate", description=main.__doc__)
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

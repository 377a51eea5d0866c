"""Declarations to try without any host: the shipped values, one thing changed."""

import os
import runpy
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any

import pytest
from pyinfra.api import Config, Inventory, State, StringCommand
from pyinfra.api.connect import connect_all
from pyinfra.context import ctx_host, ctx_inventory, ctx_state

from xteam_infra.engine import pyinfra_internals
from xteam_infra.errors import SettingsError
from xteam_infra.estate import Estate
from xteam_infra.layers import GROUPS
from xteam_infra.settings import BY_LAYER
from xteam_infra.validate import read_estate

PROJECT = Path(__file__).parents[2]
OWN = {"domain": "xteam.test", "management_networks": ("192.168.7.1/32",)}
SOLO = {"solo1": GROUPS}
HA = {
    **{f"edge{n}": ("edge",) for n in (1, 2)},
    **{f"app{n}": ("app", "worker") for n in (1, 2)},
    **{f"db{n}": ("postgres", "etcd") for n in (1, 2, 3)},
    **{f"redis{n}": ("redis",) for n in (1, 2, 3)},
    "backup1": ("backup",),
    "ops1": ("logs", "metrics"),
}


def shipped(layer: str) -> dict[str, Any]:
    """The values of group_data/<layer>.py."""
    values = runpy.run_path(str(PROJECT / "group_data" / f"{layer}.py"))
    kinds = (type, ModuleType, FunctionType)
    return {key: value for key, value in values.items() if not key.startswith("__") and not isinstance(value, kinds)}


@dataclass
class Declaration:
    """What a user would have in inventories/ and group_data/. own: group_data/mine.py."""

    store: Path
    hosts: dict[str, tuple[str, ...]] = field(default_factory=lambda: dict(SOLO))
    own: dict[str, Any] = field(default_factory=dict)
    layers: dict[str, dict[str, Any]] = field(default_factory=dict)
    extra_groups: dict[str, list[str]] = field(default_factory=dict)

    def read(self) -> Estate:
        """The estate. Raises SettingsError."""
        data = {layer: {**shipped(layer), **self.layers.get(layer, {})} for layer in BY_LAYER}
        names = [(name, {"address": f"10.0.0.{n}"}) for n, name in enumerate(self.hosts, 1)]
        groups = {group: ([h for h, of in self.hosts.items() if group in of], data.get(group, {})) for group in GROUPS}
        groups |= {layer: ([], values) for layer, values in data.items() if layer not in (*GROUPS, "all")}
        groups |= {name: (members, {}) for name, members in self.extra_groups.items()}
        own = {"secrets_store": f"file:{self.store}", **OWN, **self.own}
        groups["mine"] = (list(self.hosts), own)
        return read_estate(Inventory((names, data["all"]), **groups), "inventories/mine.py")

    def problems(self) -> dict[str, str]:
        """{key: all that is wrong with it}, in the words the user reads."""
        with pytest.raises(SettingsError) as refused:
            self.read()
        assert "no host was changed" in str(refused.value)
        found: dict[str, str] = {}
        for problem in refused.value.problems:
            found[problem.key] = f"{found.get(problem.key, '')}{problem}\n"
        return found


@pytest.fixture
def declaration(tmp_path):
    """One host in every group, the shipped values, and an empty secrets store."""
    return Declaration(tmp_path / "secrets.json")


@pytest.fixture
def ha(tmp_path):
    """Twelve hosts in two regions."""
    return Declaration(tmp_path / "secrets.json", dict(HA))


@dataclass
class Pyinfra:
    """The command, run as a user would, on an inventory of its own beside the project's layers."""

    directory: Path

    def __call__(self, *arguments: str, environment: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
        command = [str(Path(sys.executable).with_name("pyinfra")), *arguments]
        clean = {key: value for key, value in os.environ.items() if key != "XTEAM_LAB"}
        return subprocess.run(
            command,
            cwd=PROJECT,
            env={**clean, **(environment or {})},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    def inventory(self, text: str, own: str = "") -> str:
        """Write an inventory file and its group data; the path to give to the command."""
        path = self.directory / "mine.py"
        data = self.directory / "group_data"
        data.mkdir(exist_ok=True)
        store = self.directory / "secrets.json"
        lines = [f"{key} = {value!r}" for key, value in {**OWN, "secrets_store": f"file:{store}"}.items()]
        (data / "mine.py").write_text("\n".join([*lines, own, ""]))
        path.write_text(f"from inventories._common import check as _check\n{text}\n_check(globals())\n")
        return str(path)


@pytest.fixture
def pyinfra(tmp_path):
    return Pyinfra(tmp_path)


# --- Operations without a run: their commands, and the facts they ask for


def commands_of(operation, *arguments, **options):
    """What the operation would do on the host in use, each command with its standard input."""
    found = list(pyinfra_internals.commands_of(operation, *arguments, **options))
    return [one if hasattr(one, "connector_arguments") else StringCommand(one) for one in found]


@contextmanager
def _using(name: str, data: dict[str, Any]):
    inventory = Inventory(([(name, data)], {}))
    state = State(inventory, Config())
    before = ctx_state.get(), ctx_host.get(), ctx_inventory.get()
    try:
        ctx_state.set(state)
        ctx_inventory.set(inventory)
        connect_all(state)
        (host,) = inventory
        ctx_host.set(host)
        yield host
    finally:
        ctx_state.set(before[0])
        ctx_host.set(before[1])
        ctx_inventory.set(before[2])


@pytest.fixture
def local_host():
    """This machine: facts are asked of it for real."""
    with _using("@local", {}) as host:
        yield host


@pytest.fixture
def fake_host():
    """A host that gives scripted answers: `fake_host({"systemctl show": [...]})`."""
    with _using("@fake/h", {"fake_delay": 0, "fake_delay_jitter": 0}) as host:

        def answers(responses):
            host.connector.data["fake_responses"] = responses

        yield answers

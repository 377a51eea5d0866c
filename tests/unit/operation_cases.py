"""Plays one case of tests/unit/operations: an operation's arguments and what the host says, to the commands it gives.

On pyinfra's own State and Host. A host answers with what the case gives for a fact and its arguments, in the words its
command prints, so that the fact's reading of it is tried too. A case fails when the operation asks what the case does
not give, or does not ask what it gives. No secret may stand in any command, in a function's arguments or in the log.
"""

import json
import logging
import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

import moto
import yaml
from conftest import HA, SOLO, Declaration
from operation_text import Text
from operation_values import Loader, built, recorded
from pyinfra.api import Config, FunctionCommand, Inventory, State
from pyinfra.api.connect import connect_all
from pyinfra.api.exceptions import PyinfraError
from pyinfra.api.state import StateStage
from pyinfra.connectors.fake import FakeConnector
from pyinfra.context import ctx_host, ctx_inventory, ctx_state

from xteam_infra.engine import absent, runtime
from xteam_infra.engine.operations import pending
from xteam_infra.estate import Estate
from xteam_infra.layers.app import deploy_lock as deployment_operations
from xteam_infra.layers.app import releases as deployment
from xteam_infra.layers.base import override_operations as overrides
from xteam_infra.layers.postgres import rolling_update as postgres_update
from xteam_infra.layers.storage import operations as storage

CASES = Path(__file__).parent / "operations"
TOPOLOGIES = {"solo": SOLO, "ha": HA}
KNOWN = {
    "about", "answers", "arguments", "carry_out", "changing", "commands", "diff", "down", "estate", "executing",
    "facts", "host", "log", "noop", "positional", "ran", "record", "refused", "result", "s3", "settings", "store",
}  # fmt: skip
QUIET = ("noop: ", "Connected", "Activating host", "Getting fact", "Loaded fact", "Adding operation", "[fake]")
_estates: dict[str, Estate] = {}


@dataclass
class Played:
    """What came of a case, in the words of the case file."""

    commands: list[Any] = field(default_factory=list)
    noop: str = ""
    refused: str = ""
    log: list[str] = field(default_factory=list)
    ran: list[str] = field(default_factory=list)
    result: list[Any] = field(default_factory=list)


def operation_of(path: Path) -> Callable[..., Any]:
    """The operation whose case it is: the folders of tests/unit/operations are the modules of xteam_infra."""
    *module, name = path.relative_to(CASES).parts[:-1]
    return getattr(import_module(".".join(("xteam_infra", *module))), name)


def load(path: Path) -> dict[str, Any]:
    """The case. Raises AssertionError for a word that no case has."""
    case = yaml.load(path.read_text(), Loader) or {}  # noqa: S506 - a SafeLoader
    assert not set(case) - KNOWN, f"{path}: no case has {', '.join(sorted(set(case) - KNOWN))}"
    return case


def play(path: Path, tmp: Path, operation: Callable[..., Any] | None = None) -> Played:
    """Have the operation say what it would do, and check what holds for all cases."""
    case, played = load(path), Played()
    with _opened(case, tmp) as (state, host, lines):
        if "record" in case:
            recorded(built(case["record"]))
        arguments = built(case.get("arguments", {}))
        given = _give(state, host, case)
        for changing in case.get("changing", []):
            pending.will_change(changing)
        run = partial(operation or operation_of(path), *case.get("positional", []), **arguments)
        commands = _commands(run, state, host, bool(case.get("executing")), lines, played)
        asked = _asked(state)
        _all_given(given, asked, lines)
        text = Text(bool(case.get("estate")), tmp, in_full=path.parts[-3] == "files")
        played.commands = [text.command(one) for one in commands]
        if case.get("carry_out"):
            _carry_out(commands, state, host, asked, text, played)
        played.refused = text.of(played.refused)
        played.noop = next((line.partition("noop: ")[2] for line in lines if "noop: " in line), "")
        told = [line for line in lines if not any(word in line for word in QUIET)]
        assert [text.of(line) for line in told] == told, "a secret is in the log"
        played.log = [text.unstamped(re.sub(r"^\[\S+\]\s*", "", line)) for line in told]
    return played


def _commands(operation, state, host, executing: bool, lines: list[str], played: Played) -> list[Any]:
    """All commands of a plan; executing: those that are given once it was planned and it is this operation's turn."""
    state.current_stage, state.check_for_changes = StateStage.Prepare, executing
    try:
        operation(name="Play a case")
        if executing:
            state.current_stage, state.is_executing = StateStage.Execute, True
            lines[:] = [line for line in lines if line.startswith("Getting fact")]
        return list(state.get_op_data_for_host(host, host.op_hash_order[-1]).command_generator())
    except PyinfraError as error:
        played.refused = str(error)
        return []


def _carry_out(commands, state, host, before, text, played) -> None:
    """Run the functions among the commands."""
    for command in commands:
        if isinstance(command, FunctionCommand):
            try:
                played.result.append(command.execute(state, host, {}))
            except PyinfraError as error:
                played.result.append(text.of(str(error)))
    for one in state.inventory:
        for said in one.connector.executed_commands[len(before[one.name]) :]:
            assert text.of(said) == said, "a secret is in a command"
            played.ran.append(f"{one.name}: {text.unstamped(said)}")


# --- The host and what it says


@contextmanager
def _opened(case: dict[str, Any], tmp: Path) -> Iterator[tuple[State, Any, list[str]]]:
    topology = TOPOLOGIES[case["estate"]] if case.get("estate") else {"host1": ()}
    inventory = _inventory(topology)
    for host in inventory:
        host.connector_cls = FakeConnector
    config = Config()
    config.DIFF = bool(case.get("diff"))
    with ExitStack() as stack:
        stack.callback(_forget)
        _forget()
        state = State(inventory, config)
        for context, value in ((ctx_state, state), (ctx_inventory, inventory)):
            stack.enter_context(context.use(value))
        lines = stack.enter_context(_listening())
        if case.get("s3"):
            stack.enter_context(moto.mock_aws())
        connect_all(state)
        if case.get("estate"):
            runtime._opened.ask(inventory.hosts, partial(_estate, case, tmp))
        absent.declare_down(case.get("down", []))
        host = inventory.get_host(case.get("host") or next(iter(topology)))
        stack.enter_context(ctx_host.use(host))
        yield state, host, lines


def _inventory(topology: dict[str, tuple[str, ...]]) -> Inventory:
    names = [(name, {"fake_delay": 0, "fake_delay_jitter": 0}) for name in topology]
    groups = {group: ([n for n, of in topology.items() if group in of], {}) for of in topology.values() for group in of}
    return Inventory((names, {}), **groups)


def _estate(case: dict[str, Any], tmp: Path) -> Estate:
    """The estate of the case; kept, for reading one takes longer than a case."""
    store, settings = tmp / "secrets.json", built(case.get("settings", {}))
    store.write_text(json.dumps(case.get("store", {})))
    store.chmod(0o600)
    key = f"{case['estate']} {settings}"
    if key not in _estates:
        own = {"app_release_directory": str(tmp / "releases"), **settings.get("own", {})}
        layers = {layer: values for layer, values in settings.items() if layer != "own"}
        _estates[key] = Declaration(store, dict(TOPOLOGIES[case["estate"]]), own, layers).read()
    return _estates[key]


def _forget() -> None:
    """What a run remembers in modules: each case is a run of its own."""
    pending._paths.clear()
    runtime._opened.clear()
    runtime.vault.cache_clear()
    absent.declare_down([])
    for registry in (postgres_update._orders, deployment._begun, deployment_operations._rollbacks):
        registry.clear()
    for found in (overrides._found, storage._found):
        found.clear()


@contextmanager
def _listening() -> Iterator[list[str]]:
    lines: list[str] = []

    class Listener(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            lines.append(record.getMessage())

    logger, listener = logging.getLogger("pyinfra"), Listener()
    level = logger.level
    logger.addHandler(listener)
    logger.setLevel(logging.DEBUG)
    try:
        yield lines
    finally:
        logger.setLevel(level)
        logger.removeHandler(listener)


def _give(state: State, here: Any, case: dict[str, Any]) -> dict[str, set[re.Pattern[str]]]:
    """Have the hosts give the case's answers. Returns what is answered, by host."""
    given: dict[str, set[re.Pattern[str]]] = {host.name: set() for host in state.inventory}
    for one in case.get("facts", []):
        host = state.inventory.get_host(one["at"]) if "at" in one else here
        module, name = one["fact"].rsplit(".", 1)
        fact = getattr(import_module(f"xteam_infra.{module}"), name)()
        if "like" in one:
            pattern = re.compile(re.escape(one["like"]))
        else:
            command = fact.command(**built(one.get("of", {})))
            command = command if isinstance(command, str) else command.get_raw_value()
            pattern = re.compile(rf"\A{re.escape(command)}\Z")
        _answers(host)[pattern] = _lines(built(one.get("says", [])))
        given[host.name].add(pattern)
    for one in case.get("answers", []):
        host = state.inventory.get_host(one["at"]) if "at" in one else here
        _answers(host)[one["to"]] = {"success": not one.get("fails"), "stdout": _lines(built(one.get("says", [])))}
    return given


def _answers(host: Any) -> dict[Any, Any]:
    if "fake_responses" not in host.connector.data or not host.connector.data["fake_responses"]:
        host.connector.data["fake_responses"] = {}
    return host.connector.data["fake_responses"]


def _lines(said: Any) -> list[str]:
    if isinstance(said, dict):
        return [json.dumps(said["json"])]
    if isinstance(said, str):
        return said.splitlines() or [""]
    return [line for one in said for line in _lines(one)]


def _asked(state: State) -> dict[str, list[str]]:
    return {host.name: list(host.connector.executed_commands) for host in state.inventory}


def _all_given(given: dict[str, set[re.Pattern[str]]], asked: dict[str, list[str]], lines: list[str]) -> None:
    facts = "\n".join(dict.fromkeys(line for line in lines if line.startswith("Getting fact")))
    for name, patterns in given.items():
        more = [command for command in asked[name] if not any(one.search(command) for one in patterns)]
        less = [one.pattern for one in patterns if not any(one.search(command) for command in asked[name])]
        assert not more, f"asked of {name} and not given: {more}\n{facts}"
        assert not less, f"given for {name} and not asked: {less}\n{facts}"


# --- Writing what is missing in a case


class _Dumper(yaml.SafeDumper):
    """Long commands folded, scripts as they are."""


def _string(dumper: yaml.SafeDumper, text: str) -> yaml.Node:
    style = "|" if "\n" in text else ">" if len(text) > 100 else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _string)


def complete(path: Path, played: Played) -> None:
    """Append to the case what came of it. For whoever writes a case: to be read, word by word, before it is kept."""
    case = load(path)
    found = {
        "commands": played.commands,
        "noop": played.noop,
        "refused": played.refused,
        "ran": played.ran,
        "log": played.log,
    }
    found["result"] = played.result
    new = {key: value for key, value in found.items() if key not in case and (value or key == "commands")}
    if not new:
        return
    text = path.read_text().rstrip("\n") + "\n"
    path.write_text(text + yaml.dump(new, Dumper=_Dumper, sort_keys=False, width=112, allow_unicode=True))

"""Paths, versions and names that differ between distributions are said in one module each."""

import ast
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from xteam_infra.distribution import DISTRIBUTION
from xteam_infra.layers import GROUPS
from xteam_infra.plan.needs import CA_PATH, METRICS_DIRECTORY

PROJECT = Path(__file__).parents[2]
SEARCHED = (
    "xteam_infra",
    "deploys",
    "tasks",
    "templates",
    "checklist",
    "tests/hosts",
    "tests/drills",
    "tests/e2e",
    "bench",
)
DISTRIBUTION_FILE = "xteam_infra/distribution.py"
NEEDS = "xteam_infra/plan/needs.py"
VERSION, PYTHON = re.escape(DISTRIBUTION.postgres), re.escape(DISTRIBUTION.python)
# What is said once: how it is found, where it is said, and what others read instead.
LITERALS = {
    "the metrics' directory": (
        re.escape(METRICS_DIRECTORY),
        NEEDS,
        "METRICS_DIRECTORY; metrics_directory in a template",
    ),
    "the authority": (re.escape(CA_PATH), NEEDS, "CA_PATH; ca_path in a template"),
    "the cluster": (rf"\b{VERSION}[-/]main\b", DISTRIBUTION_FILE, "DISTRIBUTION.postgres_cluster, _unit, _data"),
    "the server's version": (rf"postgresql(-client)?[-/]{VERSION}\b", DISTRIBUTION_FILE, "DISTRIBUTION.postgres_..."),
    "Python's version": (
        rf"python[ -]?(version )?{re.escape(DISTRIBUTION.python)}\b|[\"']{re.escape(DISTRIBUTION.python)}\b",
        DISTRIBUTION_FILE,
        "DISTRIBUTION.python",
    ),
    "the system": (rf"{DISTRIBUTION.os}\b|\b{DISTRIBUTION.release}\b", DISTRIBUTION_FILE, "DISTRIBUTION.os, .release"),
    "the groups": (r"\W+".join(GROUPS), "xteam_infra/layers/groups.txt", "GROUPS of xteam_infra.layers"),
}
# Its own number here is pgBackRest's default, for a configuration that names no port.
OTHERS_DEFAULT = "xteam_infra/on_host/xteam_backup/reached.py"
SUFFIXES = (".py", ".j2", ".sh", ".yml", ".txt")

OTHER = """
import dataclasses, json, sys
from pathlib import Path
from xteam_infra import distribution
distribution.DISTRIBUTION = dataclasses.replace(
    distribution.DISTRIBUTION, os="other 99", release="othername", python="3.99", postgres="99"
)
sys.path.insert(0, "tests/unit")
from conftest import HA, Declaration
from tests.whole_templates import contexts, rendered
from xteam_infra.plan.compose import plans
estate = Declaration(Path(sys.argv[1]), dict(HA)).read()
found = {name: repr(plan) for name, plan in plans(estate).items()}
for template in contexts(estate):
    found[template] = rendered(estate, template, "Kx7mQ2xR9tB4wZ8nL5cY1dF6")[0]
print(json.dumps(found))
"""


def files(*places: str) -> list[str]:
    listed = subprocess.check_output(
        ["git", "ls-files", "-co", "--exclude-standard", *(places or SEARCHED)], text=True, cwd=PROJECT
    )
    return [one for one in listed.splitlines() if one.endswith(SUFFIXES) and (PROJECT / one).exists()]


@pytest.mark.parametrize("what", LITERALS)
def test_a_literal_is_said_once(what):
    pattern, place, instead = LITERALS[what]
    found = [
        f"{name}:{number}"
        for name in files()
        if name != place
        for number, line in enumerate((PROJECT / name).read_text().splitlines(), 1)
        if re.search(pattern, line)
    ]
    assert not found, f"{what} stands in {place}; read {instead} instead in {', '.join(found)}"


def ports() -> Iterator[tuple[str, str, int]]:
    """Each port of our own that a layer's needs say: where, by which name, and its number."""
    for path in PROJECT.glob("xteam_infra/layers/*/needs.py"):
        for node in ast.parse(path.read_text()).body:
            match node:
                case ast.Assign([ast.Name(name)], ast.Constant(int(number))) if name.endswith("PORT") and number > 1023:
                    yield str(path.relative_to(PROJECT)), name, number


@pytest.mark.parametrize(("place", "constant", "port"), [*ports()])
def test_a_port_is_said_once(place, constant, port):
    found = [
        name
        for name in files("xteam_infra", "deploys", "tasks", "templates", "tests/hosts")
        if name not in (place, OTHERS_DEFAULT) and re.search(rf"(?<![\w.]){port}\b", (PROJECT / name).read_text())
    ]
    assert not found, f"{constant} of {place} is said again in {', '.join(found)}"


def test_nothing_of_this_distribution_is_left_with_another(tmp_path):
    """The whole plan and whole files, with a made-up release: another PostgreSQL, another Python."""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", OTHER, str(tmp_path / "secrets.json")],
        cwd=PROJECT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert "postgresql-99" in found["db1"] and "/99/main" in found["postgres/patroni.yml.j2"]
    patterns = [LITERALS[what][0] for what in ("the cluster", "the server's version", "Python's version", "the system")]
    left = {name: match[0] for name, text in found.items() for one in patterns if (match := re.search(one, text))}
    assert not left

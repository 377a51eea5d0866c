"""The README's and the tutorial's commands, typed in a copy of the repository, up to hosts that don't exist."""

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[2]
README = (PROJECT / "README.md").read_text()
TUTORIAL = [path.read_text() for path in sorted((PROJECT / "docs/tutorial").glob("*.md"))]
PROGRAM = r"(?:cp|pyinfra|pytest|python3?|script/\w+)\b"
# A line of an indented or a fenced block, without its comment; or words of a sentence.
LINE = re.compile(rf"^(?: {{4}})?({PROGRAM}.*?)(?: +#.*)?$")
INLINE = re.compile(rf"`({PROGRAM} [^`]*|script/\w+)`")
# What is run whole elsewhere, and would take minutes here.
ELSEWHERE = {"script/test": "continuous integration", "script/demo": "tests/e2e, in its steps"}
ADDRESS = "10.99.0."


@pytest.fixture(scope="module")
def copy(tmp_path_factory):
    """The files under version control, elsewhere."""
    directory = tmp_path_factory.mktemp("readme")
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=PROJECT, capture_output=True, text=True, check=True).stdout
    for name in filter(None, listed.split("\0")):
        if (PROJECT / name).is_file():
            (directory / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(PROJECT / name, directory / name)
    (directory / ".venv").symlink_to(PROJECT / ".venv")
    return directory


def run(copy, command):
    """As typed after `. .venv/bin/activate`."""
    path = f"{PROJECT / '.venv/bin'}:{os.environ['PATH']}"
    environment = {key: value for key, value in os.environ.items() if key != "XTEAM_LAB"} | {"PATH": path}
    words = ["sh", "-c", command]
    done = subprocess.run(
        words, cwd=copy, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    return done.returncode, re.sub(r"\x1b\[[0-9;]*m", "", done.stdout + done.stderr)


def commands() -> list[str]:
    """Each once, in the order of the pages."""
    return list(dict.fromkeys(command for page in (README, *TUTORIAL) for command in typed_in(page)))


def typed_in(page: str) -> Iterator[str]:
    fenced = False
    for line in page.splitlines():
        if line.startswith("```"):
            fenced = line == "```sh"
        elif (fenced or line.startswith("    ")) and (typed := LINE.match(line)):
            yield typed[1]
        elif not fenced:
            yield from INLINE.findall(line)


@pytest.mark.item("DOC-01")
def test_a_first_deployment_goes_as_written(copy):
    """The copies are refused with every placeholder named; filled in, they are a valid estate to verify."""
    typed = commands()
    copies = [command for command in typed if command.startswith("cp ")]
    assert len(copies) == 2, f"the steps copy {copies}"
    for command in copies:
        assert run(copy, command)[0] == 0, command

    deploy = [command for command in typed if command.startswith("pyinfra inventories/my.py")]
    assert len(deploy) == 2, f"the steps deploy by {deploy}"
    for command in deploy:
        status, said = run(copy, command)
        assert status == 1 and "inventories/my.py" in said and "CHANGE-ME" in said, f"{command}: {said}"
        assert "Starting operation" not in said

    fill_in(copy)
    status, said = run(copy, "python -m xteam_infra.validate inventories/my.py")
    assert status == 0, f"filled in as the steps say, it is refused: {said}"
    (verify,) = [command for command in typed if command.startswith("pytest") and "my.py" in command]
    status, said = run(copy, f"{verify} --collect-only -q")
    assert status == 0 and "test_redis.py" in said, f"{verify}: {said}"


def fill_in(copy):
    """Steps 3 to 5 of a first production: names, addresses and regions, the hosts' keys, the values of this site."""
    inventory, data = copy / "inventories/my.py", copy / "group_data/my.py"
    lines = inventory.read_text().splitlines()
    for number, line in enumerate(lines):
        region = "b" if "backup1" in line else "a"
        filled = line.replace('"CHANGE-ME", region', f'"{ADDRESS}{number}", region', 1)
        lines[number] = filled.replace('region="CHANGE-ME"', f'region="{region}"')
    inventory.write_text("\n".join(lines) + "\n")
    keys = [f"{ADDRESS}{number} ssh-ed25519 AAAA" for number in range(len(lines))]
    (copy / "inventories/known_hosts").write_text("\n".join(keys) + "\n")
    text = data.read_text().replace("xteam.example.com", "xteam.test")
    text = text.replace("management_networks = ()", 'management_networks = ("10.98.0.1/32",)')
    data.write_text(re.sub(r"^secrets_store = .*", f'secrets_store = "file:{copy}/secrets.json"', text, flags=re.M))


@pytest.mark.item("DOC-01")
def test_every_other_command_is_accepted(copy):
    """The scripts say what they do; the rest is refused for no other reason than that these hosts are placeholders."""
    for command in commands():
        program = command.split()[0]
        if program.startswith("script/"):
            status, said = run(copy, f"{program} --help")
            assert status == 0 and "usage" in said, f"{program} --help: {said}"
            assert program in {"script/setup", *ELSEWHERE}, f"nothing runs {program}"
        elif command.startswith("python3 -m lab"):
            assert run(copy, f"python -m lab {command.split()[3]} --help")[0] == 0, command
        elif program in ("pyinfra", "pytest"):
            named = [word for word in command.split() if word.endswith(".py") or word.startswith("tests/")]
            assert all((copy / word).exists() for word in named), command
        if program == "pyinfra" and "prod.py" in command:
            status, said = run(copy, command)
            assert status == 1 and "not the placeholder" in said, f"{command}: {said}"
        if program == "python":
            assert run(copy, f"{' '.join(command.split()[:4])} --help")[0] == 0, command

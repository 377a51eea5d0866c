"""Runbooks, carried out: every block of commands in docs/runbooks/ has a mark, and a drill runs it where it belongs.

A block of commands opens with its mark: three backticks, `sh on=WHERE id=NAME`. WHERE is `controller` (the project's
directory) or any other word: the drill says which host that is. What is no command (an output) opens with `text`.
"""

import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

DIRECTORY = Path("docs/runbooks")
MARK = re.compile(r"sh on=(?P<on>[a-z][a-z0-9-]*) id=(?P<id>[a-z0-9-]+)")
CONTROLLER_SECONDS = 900
HOST_SECONDS = 300
OF_NO_DRILL = "build/drills/of-no-drill.json"


class RunbookError(Exception):
    """A runbook can't be carried out as it is written."""


@dataclass(frozen=True)
class Block:
    """Commands that are typed at one place. on: where. id: unique within the runbook."""

    on: str
    id: str
    text: str


def blocks(path: Path) -> dict[str, Block]:
    """The blocks of a runbook by their ids. Raises RunbookError for commands without a mark."""
    found: dict[str, Block] = {}
    lines = iter(enumerate(path.read_text().splitlines(), start=1))
    for number, line in lines:
        where = f"{path}:{number}"
        if line.startswith("    ") and line.strip():
            raise RunbookError(f"{where}: an indented block; open it with ```sh on=WHERE id=NAME")
        if not line.startswith("```"):
            continue
        inside = []
        for _, inner in lines:
            if inner.startswith("```"):
                break
            inside.append(inner)
        mark = line[3:].strip()
        if mark == "text":
            continue
        match = MARK.fullmatch(mark)
        if not match:
            raise RunbookError(f"{where}: the mark is {mark!r}, must be: sh on=WHERE id=NAME (or text)")
        if match["id"] in found:
            raise RunbookError(f"{where}: a second block {match['id']}")
        found[match["id"]] = Block(match["on"], match["id"], "\n".join(inside))
    return found


class Runbook:
    """One runbook, carried out block by block. inventory: stands for INVENTORY in it."""

    def __init__(self, name: str, inventory: str):
        self.name, self.inventory = name, inventory
        self.blocks = blocks(DIRECTORY / f"{name}.md")
        self.ran: set[str] = set()

    def run(self, identifier: str, host=None, succeeds: bool = True, **words: str) -> str:
        """Run a block and return all it printed. host: where, unless it is typed on the controller.

        words: what stands for a placeholder, such as NAME="db3". succeeds: whether the last command must.
        """
        block = self.blocks[identifier]
        text = block.text.replace("pyinfra INVENTORY", "pyinfra -y INVENTORY")  # nobody is there to say yes
        # Else a drill that failed once would find its own failure, and fail for ever.
        text = text.replace("pytest ", f"pytest --drill-results {OF_NO_DRILL} ")
        for placeholder, value in {**words, "INVENTORY": self.inventory}.items():
            if placeholder not in text and placeholder != "INVENTORY":
                raise RunbookError(f"{self.name}, {identifier}: there is no {placeholder} to fill in")
            text = text.replace(placeholder, value)
        self.ran.add(identifier)
        if (block.on == "controller") != (host is None):
            raise RunbookError(f"{self.name}, {identifier}: it is typed on {block.on}")
        status, said = _on_controller(text) if host is None else _on_host(host, text)
        assert (status == 0) == succeeds, f"{self.name}, {identifier} ended with {status}:\n{said[-3000:]}"
        return said

    def not_run(self) -> list[str]:
        """Blocks that nobody has carried out."""
        return sorted(set(self.blocks) - self.ran)


def _on_controller(text: str) -> tuple[int, str]:
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-ec", text],
        env={**os.environ, "PATH": path},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=CONTROLLER_SECONDS,
        check=False,
    )
    return done.returncode, done.stdout


def _on_host(host, text: str) -> tuple[int, str]:
    """As root, as after `sudo -i`."""
    done = host.run_with_stdin("cd /root && bash -e 2>&1", text, timeout=HOST_SECONDS)
    return done.rc, done.stdout

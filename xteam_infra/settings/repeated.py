"""Keys that a file of group data writes twice: Python keeps the last one and says nothing."""

import ast
from collections.abc import Iterator
from pathlib import Path

from xteam_infra.errors import Problem

ALLOWED = "each key once: of two the first is lost without a word"


def repeated_keys(directory: Path) -> Iterator[Problem]:
    """Every repeated key of a literal mapping in the files of `directory`."""
    for path in sorted(directory.glob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(), str(path))):
            if isinstance(node, ast.Dict):
                for key, line in _repeated(node):
                    yield Problem(f"group_data/{path.name}", key, f"a second time in line {line}", ALLOWED)


def _repeated(node: ast.Dict) -> Iterator[tuple[str, int]]:
    seen = set()
    for key in node.keys:
        if isinstance(key, ast.Constant):
            if key.value in seen:
                yield str(key.value), key.lineno
            seen.add(key.value)

"""Programs for hosts (xteam_infra/on_host), imported as they are, in a directory that stands for a host's root.

restic and systemctl, which they start, are stand-ins that answer in the words of a test and note how they are called:
what is tried here is the decisions. PostgreSQL and Redis have no stand-ins: what asks those runs on lab hosts alone.
"""

import ast
import importlib
import importlib.abc
import importlib.machinery
import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import xteam_infra.on_host

HERE = Path(xteam_infra.on_host.__file__).parent
# Where they read and write. As constants of theirs, these stand below the test's directory.
PLACES = ("/etc/xteam", "/var/lib/", "/var/spool/", "/run/xteam", "/run/lock/xteam", "/opt/xteam")


class _Rooted(ast.NodeTransformer):
    def __init__(self, root: Path):
        self.root = root

    def visit_Constant(self, node: ast.Constant) -> ast.Constant:
        if isinstance(node.value, str) and node.value.startswith(PLACES):
            return ast.copy_location(ast.Constant(f"{self.root}{node.value}"), node)
        return node


class _Finder(importlib.abc.MetaPathFinder):
    """Finds the packages of xteam_infra/on_host by their names on a host."""

    def __init__(self, root: Path):
        self.root = root

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> Any:
        if name.partition(".")[0] not in PACKAGES:
            return None
        found = importlib.machinery.PathFinder.find_spec(name, [str(HERE)] if "." not in name else path)
        if found and isinstance(found.loader, importlib.machinery.SourceFileLoader):
            found.loader = _Loader(found.loader.name, found.loader.path, self.root)
        return found


class _Loader(importlib.machinery.SourceFileLoader):
    def __init__(self, name: str, path: str, root: Path):
        super().__init__(name, path)
        self.root = root

    def get_code(self, fullname: str) -> Any:
        path = self.get_filename(fullname)
        tree = _Rooted(self.root).visit(ast.parse(Path(path).read_text(), path))
        return compile(ast.fix_missing_locations(tree), path, "exec", dont_inherit=True)


PACKAGES = {one.name for one in HERE.iterdir() if one.is_dir() and one.name.startswith("xteam_")}


class Host:
    """A host's programs and files. root: its directory."""

    def __init__(self, root: Path):
        self.root, self._calls = root, root / "calls"
        self.bin = root / "bin"
        self.bin.mkdir()
        self._finder = _Finder(root)
        self._before = {name: one for name, one in sys.modules.items() if name.partition(".")[0] in PACKAGES}

    def file(self, path: str, text: Any = "") -> Path:
        """Write a file on the host; anything else than a text as JSON."""
        found = Path(f"{self.root}{path}")
        found.parent.mkdir(parents=True, exist_ok=True)
        found.write_text(text if isinstance(text, str) else json.dumps(text))
        return found

    def program(self, name: str, *answers: tuple[str, Any], status: int = 0) -> None:
        """A stand-in. answers: part of how it is called, and what it says (a list or dict as JSON, an int as its exit
        status, a text that begins with "sh:" as shell code); the first that fits. Else it ends with `status`."""
        cases = [f"*{shlex.quote(part)}*) {_said(said)} ;;" for part, said in answers]
        note = f'said="$RESTIC_REPOSITORY $*"; printf \'%s\\n\' "{name} $said" >> {self._calls}'
        path = self.bin / name
        path.write_text("\n".join(["#!/bin/sh", note, 'case "$said" in', *cases, "esac", f"exit {status}", ""]))
        path.chmod(0o755)

    def calls(self, part: str = "") -> list[str]:
        """How the stand-ins were called since the last time this was asked; of these, what has `part` in it."""
        found = self._calls.read_text().splitlines() if self._calls.exists() else []
        self._calls.write_text("")
        return [one for one in found if part in one]

    def load(self, name: str) -> ModuleType:
        """A module, as it is on the host."""
        return importlib.import_module(name)

    def main(self, name: str, *words: str) -> int:
        """A module's main(), called with these words."""
        before, sys.argv = sys.argv, [name, *words]
        try:
            return self.load(name).main()
        finally:
            sys.argv = before

    def shell(self, name: str, *words: str) -> subprocess.CompletedProcess[str]:
        """A shell command of bin/, called with these words: its own places are below the root, its programs first."""
        text = (HERE / "bin" / f"{name}.sh").read_text()
        for place in PLACES:
            text = re.sub(rf"(?<![\w/.]){re.escape(place)}", f"{self.root}{place}", text)
        path = self.root / f"{name}.sh"
        path.write_text(text)
        shell = text.partition("\n")[0].rpartition("/")[2]
        return subprocess.run(
            [shell, str(path), *words], capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL
        )

    def __enter__(self) -> "Host":
        self._unload()
        self._path, os.environ["PATH"] = os.environ["PATH"], f"{self.bin}:{os.environ['PATH']}"
        self._umask = os.umask(0o022)
        sys.meta_path.insert(0, self._finder)
        return self

    def __exit__(self, *_: object) -> None:
        sys.meta_path.remove(self._finder)
        os.environ["PATH"] = self._path
        os.umask(self._umask)
        self._unload()
        sys.modules.update(self._before)

    def _unload(self) -> None:
        for name in [one for one in sys.modules if one.partition(".")[0] in PACKAGES]:
            del sys.modules[name]


def _said(said: Any) -> str:
    if isinstance(said, int):
        return f"exit {said}"
    text = said if isinstance(said, str) else json.dumps(said)
    return (
        f"{text.removeprefix('sh:')}; exit" if text.startswith("sh:") else f"printf '%s\\n' {shlex.quote(text)}; exit 0"
    )

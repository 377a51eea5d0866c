"""An operation's commands in words that are the same in every run, and that hold no secret where none may be."""

import inspect
import re
from collections.abc import Callable
from pathlib import Path
from shlex import quote
from typing import Any

from pyinfra.api import FileUploadCommand, FunctionCommand

from xteam_infra.engine import runtime
from xteam_infra.engine.operations.files import HostFile, _replace
from xteam_infra.engine.operations.packages import INSTALL
from xteam_infra.layers.app import releases as deployment
from xteam_infra.layers.app.deploy_lock import LEASE, LOCK
from xteam_infra.layers.postgres.scram import verifier
from xteam_infra.secrets.mask import Mask


class Text:
    """Says of a text what differs from run to run by its name, and refuses secrets where none may be."""

    def __init__(self, has_estate: bool, tmp: Path, in_full: bool):
        self.in_full = in_full
        self.known = runtime.vault().known() if has_estate else {}
        self.mask, self.tmp = Mask("{{{{secret {}}}}}"), tmp
        for name, value in self.known.items():
            if "\n" not in value:
                self.mask.add(name, value)

    def of(self, text: str) -> str:
        """With the names of secrets in their places."""
        return self.mask(text)

    def unstamped(self, text: str) -> str:
        """With the names of what differs in their places."""
        names = {quote(INSTALL): "{{INSTALL}}", quote(LEASE.format(lock=LOCK)): "{{LEASE}}", str(self.tmp): "{{tmp}}"}
        names |= {deployment.who(): "{{who}}", deployment.revision(): "{{revision}}"}
        for value, name in names.items():
            text = text.replace(value, name)
        return re.sub(r"\becho [0-9a-f]{64}\b", "echo {{sha256}}", text)

    def command(self, command: Any) -> Any:
        if isinstance(command, FileUploadCommand):
            return {"upload": self.unstamped(str(command.src)), "to": command.dest}
        if isinstance(command, FunctionCommand):
            _is_heard(command.function)
            words = [self._word(one) for one in command.args]
            assert all(self.of(str(one)) == str(one) for one in words), "a secret is in a function's arguments"
            return {"call": command.function.__name__, "with": words} if words else {"call": command.function.__name__}
        run, given = command.get_raw_value(), command.connector_arguments.get("_stdin")
        assert self.of(run) == run, f"a secret is in a command: {self.of(run)}"
        if given is None:
            return self.unstamped(run)
        if not self.in_full and (file := _written(run, given)):
            owner = f"{file.owner}:{file.group} {file.mode}"
            valid = {"validate": file.validate} if file.validate else {}
            return {"write": file.dest, "as": owner, **valid, "text": self._stdin(given)}
        run = run.replace(f"-eq {len(given.encode())} ]", "-eq {{size}} ]")
        return {"run": self.unstamped(run), "stdin": self._stdin(given)}

    def _word(self, word: Any) -> Any:
        if word is None or isinstance(word, (str, int, float)):
            return self.unstamped(word) if isinstance(word, str) else word
        if hasattr(word, "get_raw_value"):
            return self.unstamped(word.get_raw_value())
        if isinstance(word, dict):
            return word
        return [self._word(one) for one in word] if isinstance(word, (list, tuple)) else f"<{type(word).__name__}>"

    def _stdin(self, text: str) -> str:
        text = re.sub(r"-----BEGIN (PRIVATE KEY|CERTIFICATE)-----.*?-----END \1-----", r"<\1>", text, flags=re.DOTALL)
        text = re.sub(r"SCRAM-SHA-256\$(\d+):([^$']+)\$[^']+", self._verified, text)
        return self.unstamped(self.of(text))

    def _verified(self, found: re.Match[str]) -> str:
        right = [name for name, one in self.known.items() if verifier(one, found[2], int(found[1])) == found[0]]
        assert right, f"{found[0]} is the verifier of no secret of this case"
        return f"{{{{verifier of {right[0]}}}}}"


def _is_heard(function: Callable[..., Any]) -> None:
    """pyinfra hands on what a function returns only if it has parameters named state and host."""
    found = inspect.signature(function)
    heard = {"state", "host"} <= set(found.parameters)
    assert heard or found.return_annotation is None, f"pyinfra does not hear what {function.__name__} returns"


REPLACED = re.compile(
    r"chown (?P<owner>\S+):(?P<group>\S+) (?P<new>\S+); chmod (?P<mode>\d+) (?P=new); "
    r"(?:(?P<validate>.*) >&2 \|\| \{ rm -f (?P=new); .*?\}; )?mv -fT (?P=new) (?P<dest>\S+)\Z",
    re.DOTALL,
)


def _written(run: str, text: str) -> HostFile | None:
    """The file, when the command is what `files.write` writes one by: its cases alone show that in full."""
    found = REPLACED.search(run)
    if not found:
        return None
    fields = {key: found[key] for key in ("dest", "owner", "group", "mode")}
    file = HostFile(**fields, text=text, validate=(found["validate"] or "").replace(found["new"], "{}"))
    return file if _replace(file).get_raw_value() == run else None

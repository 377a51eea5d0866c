"""Takes the secrets that a run knows out of everything it prints: lines, tracebacks, JSON, pyinfra-debug.log."""

import sys
from base64 import b64encode
from collections.abc import Iterable
from typing import Any, TextIO

from xteam_infra.secrets.escape import FORMATS, NotCarried

# Messages also quote the beginning of what they could not read.
SHORTEST = 8
# Formats in which a whole value may be met; the others change nothing in it, or can't be turned back.
WRITTEN = ("line", "url", "env", "json", "redis", "haproxy", "shell")


class Mask:
    """Replaces known values, and beginnings of them that are long enough, by their names."""

    def __init__(self, shown: str = "<secret {}>"):
        self._shown = shown
        # By their first characters: every form in which a value may be met, with its name.
        self._forms: dict[str, dict[str, str]] = {}
        self._known: set[tuple[str, str]] = set()

    def add(self, name: str, value: str) -> None:
        """From now on a value is shown as its name."""
        if (name, value) in self._known:
            return
        self._known.add((name, value))
        for text in _secret_lines(value):
            for form in _forms(text):
                if len(form) >= SHORTEST:
                    self._forms.setdefault(form[:SHORTEST], {})[form] = name

    def __call__(self, text: str) -> str:
        forms, found, written = self._forms, [], 0
        for position in [n for n in range(len(text) - SHORTEST + 1) if text[n : n + SHORTEST] in forms]:
            if position < written:
                continue
            length, name = self._longest(text, position)
            if length:
                found += [text[written:position], self._shown.format(name)]
                written = position + length
        return "".join([*found, text[written:]]) if found else text

    def _longest(self, text: str, position: int) -> tuple[int, str]:
        """How much of a secret stands there, and which; 0 when none does."""
        best, name = 0, ""
        for form, its in self._forms.get(text[position : position + SHORTEST], {}).items():
            length = _common(form, text, position)
            # An address begins like others do; it is none of a secret's until all of it is there.
            if length > best and ("://" not in form[:10] or length == len(form)):
                best, name = length, its
        return best, name


class MaskedStream:
    """A text stream that shows no secret. A value must come in one piece."""

    encoding = "utf-8"

    def __init__(self, stream: TextIO, mask: Mask):
        self._stream, self._mask = stream, mask

    def write(self, text: str) -> int:
        """Write the text with names in place of secrets."""
        if not isinstance(text, str):
            raise TypeError("text is written here, no bytes")  # so click learns which sort of stream it is
        self._stream.write(self._mask(text))
        return len(text)

    def writelines(self, lines: Iterable[str]) -> None:
        """Write every line so."""
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


# What this process knows.
MASK = Mask()


def mask_output() -> None:
    """Let nothing that this process prints from now on show a secret. For the pyinfra command."""
    from xteam_infra.engine.pyinfra_internals import mask_tracebacks

    if isinstance(sys.stdout, MaskedStream):
        return
    sys.stdout, sys.stderr = MaskedStream(sys.stdout, MASK), MaskedStream(sys.stderr, MASK)
    mask_tracebacks(MASK)


def _secret_lines(value: str) -> list[str]:
    """The value; of one in several lines, those of private keys."""
    if "\n" not in value.strip():
        return [value.strip()]
    secret, found = False, []
    for line in value.splitlines():
        secret = ("PRIVATE KEY" in line and "BEGIN" in line) or (secret and "-----" not in line)
        if secret and "-----" not in line:
            found.append(line)
    return found


def _forms(value: str) -> set[str]:
    found = {value, b64encode(value.encode()).decode().rstrip("=")}
    for name in WRITTEN:
        try:
            # Without quotes around it: a form that begins with one would hide another that goes further.
            found.add(FORMATS[name](value).strip("\"'"))
        except NotCarried:
            continue
    inline = FORMATS["redis"](value) if value.isprintable() else value
    found |= {FORMATS["haproxy"](inline) if inline.isprintable() else inline, repr(value)[1:-1]}
    # A traceback stands in a line of JSON, and that in the JSON that pyinfra or the journal prints.
    for _ in range(2):
        found |= {form.replace("\\", "\\\\").replace('"', '\\"') for form in found}
    return found


def _common(form: str, text: str, position: int) -> int:
    length = SHORTEST
    most = min(len(form), len(text) - position)
    while length < most and form[length] == text[position + length]:
        length += 1
    return length

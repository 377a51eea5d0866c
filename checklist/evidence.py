"""What a check saw: the commands it ran and their answers, without secrets."""

import re
from dataclasses import asdict, dataclass
from typing import Any

from xteam_infra.secrets.mask import Mask

# Long enough to judge an answer by, short enough that a report of a whole estate opens in a browser.
STDOUT_CHARACTERS = 1500
STDERR_CHARACTERS = 500
COMMAND_CHARACTERS = 1000

# A shorter value would also hide harmless words; generated secrets have 64 characters.
SHORTEST_SECRET = 6

# Secrets that are recognised by their shape, in case one is met that the store does not hold.
SHAPES = re.compile(
    r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)"
    r"|\beyJ[\w-]{6,}\.[\w-]*\.[\w.-]+"  # a JSON web token, also one that pytest has shortened
    r"|SCRAM-SHA-256\$[^\s\"']+"
    r"|\$(?:y|6|2[aby])\$[^\s:\"']+",  # hashes of /etc/shadow
    re.DOTALL,
)
HIDDEN = "[secret]"
# pytest shortens long values in its messages to their two ends.
SHORTENED = re.compile(r"([\w/+=-]+)\.\.\.([\w/+=-]+)")


@dataclass(frozen=True)
class Evidence:
    """One command and its answer. `rc` is the exit status, or the status code of an HTTP answer; `ms` milliseconds.

    `repeated`: the answer of an earlier check in this run was used again.
    """

    host: str
    command: str
    rc: int
    stdout: str
    stderr: str
    ms: float
    repeated: bool = False


class Redactor:
    """Takes every known secret out of a text."""

    def __init__(self) -> None:
        # Of longer values also what is written in another format, and their beginnings.
        self._mask = Mask("[secret {}]")
        self._names: dict[str, str] = {}
        self._pattern: re.Pattern[str] | None = None

    def add(self, name: str, value: str) -> None:
        """From now on the value is shown as its name."""
        self._mask.add(name, value)
        if len(value) >= SHORTEST_SECRET and value not in self._names:
            self._names[value] = f"[secret {name}]"
            # The longest first: one secret may be part of another, such as a password within a URL.
            longest_first = sorted(self._names, key=len, reverse=True)
            self._pattern = re.compile("|".join(map(re.escape, longest_first)))

    def __call__(self, text: str) -> str:
        if self._pattern:
            text = self._pattern.sub(lambda match: self._names[match[0]], text)
            text = self._mask(SHORTENED.sub(self._shortened, text))
        return SHAPES.sub(HIDDEN, text)

    def _shortened(self, match: re.Match[str]) -> str:
        head, tail = match[1][-SHORTEST_SECRET:], match[2][:SHORTEST_SECRET]
        for value, name in self._names.items():
            if head in value and tail in value and len(head) + len(tail) >= SHORTEST_SECRET:
                return name
        return match[0]


class Recorder:
    """Collects the evidence of the check that is running."""

    def __init__(self, redact: Redactor):
        self.redact = redact
        self.check = ""
        # What stands in place of every answer while the secrets are not known.
        self.muted: str | None = None
        self._seen: list[Evidence] = []

    def begin(self, check: str) -> None:
        """Start a check of this name with nothing seen."""
        self.check, self._seen = check, []

    def record(self, evidence: Evidence) -> None:
        self._seen.append(evidence)

    def taken(self) -> list[dict[str, Any]]:
        """The evidence of the running check, redacted before it is cut (a cut secret would not be recognised)."""
        return [self._shown(evidence) for evidence in self._seen]

    def _shown(self, evidence: Evidence) -> dict[str, Any]:
        shown = asdict(evidence)
        shown["command"] = _cut(self.redact(evidence.command), COMMAND_CHARACTERS)
        shown["stdout"] = self.muted or _cut(self.redact(evidence.stdout), STDOUT_CHARACTERS)
        shown["stderr"] = self.muted or _cut(self.redact(evidence.stderr), STDERR_CHARACTERS)
        shown["ms"] = round(evidence.ms, 1)
        return shown


def _cut(text: str, characters: int) -> str:
    if len(text) <= characters:
        return text
    return f"{text[:characters]}\n[{len(text) - characters} more characters]"

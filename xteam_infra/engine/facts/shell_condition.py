"""Whether a shell condition holds."""

from pyinfra.api import FactBase, QuoteString, StringCommand
from typing_extensions import override


class ShellCondition(FactBase[bool]):
    """True when the shell command `check` succeeds on the host."""

    default = bool

    @override
    def command(self, check: str) -> StringCommand:
        return StringCommand("if sh -c", QuoteString(check), ">/dev/null 2>&1; then echo holds; fi")

    @override
    def process(self, output: list[str]) -> bool:
        return "holds" in output

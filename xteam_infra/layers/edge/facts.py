"""A host's network interfaces."""

from pyinfra.api import FactBase, QuoteString, StringCommand
from typing_extensions import override


class InterfaceOf(FactBase[str]):
    """Name of the interface that has an address; empty when none has."""

    @override
    def command(self, address: str) -> StringCommand:
        return StringCommand("ip -o address show to", QuoteString(address))

    @override
    def process(self, output: list[str]) -> str:
        return output[0].split()[1] if output else ""

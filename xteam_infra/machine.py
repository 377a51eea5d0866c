"""One host of an estate."""

from pydantic import BaseModel, ConfigDict


class Machine(BaseModel):
    """One host of the inventory. address: where the other hosts reach it."""

    model_config = ConfigDict(frozen=True)

    name: str
    address: str
    region: str
    groups: tuple[str, ...]

    @property
    def url_host(self) -> str:
        """The address as it stands in a URL."""
        return f"[{self.address}]" if ":" in self.address else self.address

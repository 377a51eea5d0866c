"""Which secrets an estate has in its store, and what each must be like: strong, and fit for all that reads it."""

from dataclasses import dataclass

from xteam_infra.settings.strength import FEWEST_BITS, SHORTEST, weakness

LONGEST = 256


@dataclass(frozen=True)
class Stored:
    """One value of the store.

    formats: those of xteam_infra/secrets/escape.py that must carry it. measured: a random key or password, which is
    refused when it can be guessed. shortest, longest: characters; fewest_bits: see strength.py. variable: the
    setting's name, when users know it better. supplied: made by somebody else, such as a storage provider. unique: no
    other secret may have the same value.
    """

    name: str
    formats: tuple[str, ...] = ("line",)
    measured: bool = True
    shortest: int = SHORTEST
    longest: int = LONGEST
    fewest_bits: int = FEWEST_BITS
    variable: str = ""
    supplied: bool = False
    unique: bool = True

    def fault(self, value: str) -> str:
        """What is wrong with the value, without showing any of it; empty when nothing is."""
        if not self.measured:
            return ""
        if not value.isascii():
            return "a value with characters beyond ASCII"
        if len(value) > self.longest:
            return f"a value of {len(value)} characters"
        return weakness(value, self.shortest, self.fewest_bits)

    @property
    def allowed(self) -> str:
        """What the value may be."""
        if self.supplied:
            return f"what the provider gave: at least {self.shortest} ASCII characters"
        bounds = f"at least {self.shortest} random ASCII characters, and at most {self.longest}"
        return f"{bounds}; remove it and a strong one is made"

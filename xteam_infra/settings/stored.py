"""Which secrets an estate has in its store, and what each must be like: strong, and fit for all that reads it."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from xteam_infra.errors import Problem, SecretsError
from xteam_infra.secrets import open_store
from xteam_infra.secrets.escape import refused
from xteam_infra.secrets.mask import MASK
from xteam_infra.settings.strength import FEWEST_BITS, SHORTEST, weakness

if TYPE_CHECKING:
    from xteam_infra.estate import Estate

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


def stored_problems(estate: "Estate") -> Iterator[Problem]:
    """Every value in the store that is weak, used twice, or that something which reads it would misread."""
    wanted = {one.name: one for layer in estate.layers() for one in layer.stored(estate)}
    taken: dict[str, str] = {}
    try:
        store = open_store(estate.all.secrets_store)
        for one in wanted.values():
            value = store.get(one.name)
            if value is None:
                continue
            MASK.add(one.name, value)
            key = f"{one.name} ({one.variable})" if one.variable else one.name
            if fault := one.fault(value):
                yield Problem("the secrets store", key, fault, one.allowed)
            elif why := refused(value, one.formats):
                yield Problem("the secrets store", key, "a value that can't be written where it is read", why)
            elif one.measured and one.unique and value in taken:
                found = f"the same password as {taken[value]}"
                yield Problem("the secrets store", key, found, "one of its own; remove it and one is made")
            elif one.unique:
                taken[value] = one.name
    except SecretsError as error:
        yield Problem("group_data/all.py", "secrets_store", estate.all.secrets_store, str(error))

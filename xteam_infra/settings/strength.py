"""Whether a secret that somebody put into the store by hand can be guessed."""

from collections import Counter
from math import log2

SHORTEST = 32
# Bits by the frequency of the value's own characters. Of 20,000 keys of 32 random hexadecimal digits none fell below.
FEWEST_BITS = 85
PLACEHOLDERS = (
    "change", "secret", "password", "passw0rd", "example", "placeholder", "default", "insecure", "your-", "your_",
    "postgres", "letmein", "qwerty", "admin",
)  # fmt: skip


def weakness(value: str, shortest: int = SHORTEST, fewest_bits: int = FEWEST_BITS) -> str:
    """What is wrong with a key, without showing any of it; empty when nothing is."""
    if len(value) < shortest:
        return f"a value of {len(value)} characters"
    if word := next((word for word in PLACEHOLDERS if word in value.lower()), ""):
        return f"a placeholder: it contains the word {word.strip('-_')}"
    if (value + value).find(value, 1) < len(value):
        return "a value that repeats a part of itself"
    if len(set(value)) < 10 or _bits(value) < fewest_bits:
        return "a value of few different characters: its entropy is low"
    return ""


def _bits(value: str) -> float:
    return -sum(count * log2(count / len(value)) for count in Counter(value).values())

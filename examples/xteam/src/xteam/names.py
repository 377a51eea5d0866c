"""Words from outside that are kept: what PostgreSQL or a file name can't hold is refused before it gets there."""

import unicodedata
from typing import Annotated

from pydantic import AfterValidator, Field

LONGEST_NAME = 200


def _printable(value: str) -> str:
    # C*: NUL (which PostgreSQL's text can't hold), other controls, lone surrogates, invisible direction marks.
    if any(unicodedata.category(character).startswith("C") for character in value):
        raise ValueError("characters that can be seen, and no control characters")
    return value


def _no_path(value: str) -> str:
    if value.strip(". ") == "" or "/" in value or "\\" in value:
        raise ValueError("a plain name: no slash, and more than dots")
    return value


def _encodable(value: str) -> str:
    value.encode()  # a lone surrogate raises UnicodeEncodeError, which is a ValueError
    return value


Password = Annotated[str, Field(max_length=1000), AfterValidator(_encodable)]
Text = Annotated[str, Field(max_length=1000), AfterValidator(_printable)]
Name = Annotated[str, Field(min_length=1, max_length=LONGEST_NAME), AfterValidator(_printable)]
FileName = Annotated[Name, AfterValidator(_no_path)]
# Infinity has no place in JSON.
Number = Annotated[float, Field(allow_inf_nan=False)]
# What the application itself has given out: nothing else is looked for.
Id = Annotated[str, Field(pattern=r"^[A-Za-z0-9-]{1,64}$")]

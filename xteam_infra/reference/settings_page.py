"""`python -m xteam_infra.reference.settings_page`: write the settings page from the models."""

import argparse
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from xteam_infra.secrets import Secret
from xteam_infra.settings import MODELS
from xteam_infra.settings.model import LayerSettings

PATH = Path(__file__).parents[2] / "docs/reference/settings.md"
HEAD = """# Settings

Every key of `group_data/`, by layer. Generated from the models in `xteam_infra/settings/` by
`python -m xteam_infra.reference.settings_page`; a test keeps it equal to them.

A layer's values stand in `group_data/<layer>.py`; `group_data/<inventory>.py` overrides any key of any layer for the
inventory of that name; `--data key=value` overrides both for one run. An unknown key, a wrong type, a value outside its
bounds or a combination that can't work is refused before any host is changed, all of them at once.

*secret* is a reference such as `Secret("postgres/app")` to a value in the secrets store, never the value itself.
What is missing there is made: 64 random letters and digits. A value that you put there yourself must be random, of its
own, and at least 32 characters long (a database password 20) and at most 256 (`etcd/patroni` 72): printable ASCII, no
space at either end. Each file that it is written to has it escaped for its reader. Where a reader knows no escaping,
fewer characters are allowed: no spaces in `etcd/patroni`; no spaces and quotes in `redis/.../sentinel`; in the access
key of the bucket what providers use. What is not allowed is refused by its name and never shown.

`--diff` shows the lines that a file is to have, with names in place of secrets. Of a file that holds secrets, or that
not everybody on the host may read, it shows none of the host's other lines. In other files what looks like a password
is left out. No output shows a value of the store, at any verbosity.
"""
BOUNDS = {"ge": "from {}", "gt": "more than {}", "le": "to {}", "lt": "less than {}"}
WORDS = {int: "number", float: "number", str: "text", bool: "True or False", Secret: "secret", type(None): "None"}


def document() -> str:
    """The whole page."""
    return "\n".join([HEAD, *(line for model in MODELS for line in _layer(model)), ""]).rstrip("\n") + "\n"


def _layer(model: type[LayerSettings]) -> Iterator[str]:
    yield f"## {model.layer}"
    yield ""
    if not model.model_fields:
        yield "Nothing to set."
        yield ""
        return
    yield from _table(model)
    for part in _parts(model):
        yield f"### {part.__name__}"
        yield ""
        yield _cell(part.__doc__ or "")
        yield ""
        yield from _table(part)


def _table(model: type[BaseModel]) -> Iterator[str]:
    yield "| key | value | default | what for |"
    yield "|---|---|---|---|"
    for name, field in model.model_fields.items():
        value, default = _cell(_value(field)), _default(field)
        yield f"| `{name}` | {value} | {default} | {_cell(field.description or '')} |"
    yield ""


def _value(field: FieldInfo) -> str:
    limits = [text.format(getattr(rule, name)) for rule in field.metadata for name, text in BOUNDS.items()
              if getattr(rule, name, None) is not None]  # fmt: skip
    return " ".join([_type(field.annotation), *limits])


def _type(annotation: Any) -> str:
    origin, inner = get_origin(annotation), [one for one in get_args(annotation) if one is not Ellipsis]
    if origin is Annotated:
        return _type(inner[0])
    if origin is Literal:
        return " or ".join(f"`{value!r}`" for value in inner)
    if origin in (Union, types.UnionType):
        return " or ".join(dict.fromkeys(_type(one) for one in inner))
    if origin is tuple:
        # Several types: so many values, each of its own meaning. One: any number of it.
        return f"({', '.join(_type(one) for one in inner)})" if len(inner) > 1 else f"several: {_type(inner[0])}"
    if origin is dict:
        return f"{{{_type(inner[0])}: {_type(inner[1])}}}"
    return WORDS.get(annotation) or f"*{annotation.__name__}*"


def _default(field: FieldInfo) -> str:
    if field.default_factory is not None:
        made = field.get_default(call_default_factory=True)
        return "see `group_data/`" if made else f"`{made!r}`"
    if field.default is PydanticUndefined:
        return "**required**"
    if isinstance(field.default, Secret):
        return f'`Secret("{field.default.name}")`'
    return f"`{field.default!r}`"


def _parts(model: type[BaseModel]) -> list[type[BaseModel]]:
    """The models that a layer's values are made of."""
    found: dict[str, type[BaseModel]] = {}
    for field in model.model_fields.values():
        for one in _leaves(field.annotation):
            if isinstance(one, type) and issubclass(one, BaseModel):
                found[one.__name__] = one
    return list(found.values())


def _leaves(annotation: Any) -> Iterator[Any]:
    inner = get_args(annotation)
    if not inner:
        yield annotation
    for one in inner:
        yield from _leaves(one)


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def main() -> None:
    """Write docs/reference/settings.md, or say whether it is up to date."""
    parser = argparse.ArgumentParser(prog="python -m xteam_infra.reference.settings_page", description=main.__doc__)
    parser.add_argument("--check", action="store_true", help="only say whether it is; exit 1 when it is not")
    if not parser.parse_args().check:
        PATH.write_text(document())
        print(f"{PATH.relative_to(Path.cwd()) if PATH.is_relative_to(Path.cwd()) else PATH} is written")
    elif not PATH.exists() or PATH.read_text() != document():
        parser.exit(1, "docs/reference/settings.md is out of date: run python -m xteam_infra.reference.settings_page\n")


if __name__ == "__main__":
    main()

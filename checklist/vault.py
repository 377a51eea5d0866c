"""Secrets for checks: read from the store, never created, always redacted."""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import BaseModel

from checklist.evidence import Redactor
from xteam_infra.secrets import Secret, open_store

if TYPE_CHECKING:
    from xteam_infra.estate import Estate


class SecretMissing(Exception):
    """The store holds no secret of that name: the layer that makes it has not run."""


class SecretReader:
    """Makes every secret of the estate known to the redactor before the first check uses one."""

    def __init__(self, estate: "Estate", redact: Redactor):
        self._address, self._redact = estate.all.secrets_store, redact
        self._store, self._process = open_store(self._address), os.getpid()
        for name, value in self._stored(estate):
            redact.add(name, value)

    def get(self, name: str) -> str:
        """The value of a secret. Raises SecretMissing."""
        if self._process != os.getpid():  # forked: a connection of the parent's can't be shared
            self._store, self._process = open_store(self._address), os.getpid()
        value = self._store.get(name)
        if value is None:
            raise SecretMissing(f"the secrets store {self._address} holds no {name}")
        self._redact.add(name, value)
        return value

    def _stored(self, estate: "Estate") -> Iterator[tuple[str, str]]:
        kind, _, path = self._address.partition(":")
        if kind == "file":
            file = Path(path).expanduser()
            yield from (json.loads(file.read_text()) if file.exists() else {}).items()
            return
        for name in sorted(set(_references(estate))):
            if value := self._store.get(name):
                yield name, value


def _references(value: object) -> Iterator[str]:
    """The names of all secrets that settings refer to."""
    if isinstance(value, Secret):
        yield value.name
    elif isinstance(value, BaseModel):
        for _, field in value:
            yield from _references(field)
    elif isinstance(value, dict):
        for field in value.values():
            yield from _references(field)
    elif isinstance(value, list | tuple | set | frozenset):
        for field in value:
            yield from _references(field)

"""Secrets in one 0600 JSON file on the controller: for the lab and for a single host of one's own."""

import fcntl
import json
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from xteam_infra.errors import SecretsError


class FileStore:
    """A JSON object {name: value}. Refuses a file that others may read."""

    def __init__(self, path: str):
        self.path = Path(path).expanduser()

    def get(self, name: str) -> str | None:
        return self._read().get(name)

    def create(self, name: str, value: str) -> str:
        with self._locked():
            values = self._read()
            if name not in values:
                values[name] = value
                self._replace(values)
            return values[name]

    def replace(self, name: str, value: str) -> None:
        with self._locked():
            self._replace({**self._read(), name: value})

    def remove(self, name: str) -> None:
        with self._locked():
            values = self._read()
            if values.pop(name, None) is not None:
                self._replace(values)

    def _read(self) -> dict[str, str]:
        try:
            if self.path.stat().st_mode & 0o077:
                raise SecretsError(f"{self.path} can be read by others; fix: chmod 600 {self.path}")
            values: dict[str, str] = json.loads(self.path.read_text())
            return values
        except FileNotFoundError:
            return {}
        except (OSError, ValueError) as error:
            raise SecretsError(f"secrets store {self.path} can't be read: {error}") from error

    def _replace(self, values: dict[str, str]) -> None:
        handle, new = tempfile.mkstemp(dir=self.path.parent, prefix=f".{self.path.name}.")
        with os.fdopen(handle, "w") as file:  # mkstemp makes it 0600
            json.dump(values, file, indent=1, sort_keys=True)
            file.flush()
            os.fsync(file.fileno())
        Path(new).replace(self.path)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        try:
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            lock = os.open(f"{self.path}.lock", os.O_CREAT | os.O_RDWR, 0o600)
        except OSError as error:
            raise SecretsError(f"secrets store {self.path} can't be written: {error}") from error
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield
        finally:
            os.close(lock)

"""The settings a check compares with, read in a process of its own (see checklist.inventory for why)."""

import subprocess
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from xteam_infra.estate import Estate


class EstateError(Exception):
    """The estate can't be read: its settings are wrong."""


# Filled by checklist.rerun, which has read the estate before.
PREREAD: list[str] = []


class EstateReader:
    """Starts reading at once and waits only when the estate is asked for: both take about a second."""

    def __init__(self, inventory: str):
        self._inventory = inventory
        self._estate: Estate | None = None
        self._process: subprocess.Popen[str] | None
        if PREREAD:
            self._process = None
            return
        command = [sys.executable, "-m", "xteam_infra.validate", inventory]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def get(self) -> "Estate":
        """Raises EstateError with what the settings' own check says."""
        if self._estate is None:
            from xteam_infra.estate import Estate

            self._estate = Estate.model_validate_json(self._output())
        return self._estate

    def _output(self) -> str:
        if self._process is None:
            return PREREAD[0]
        stdout, stderr = self._process.communicate()
        if self._process.returncode != 0:
            raise EstateError(f"the estate of {self._inventory} can't be read:\n{stderr.strip()}")
        return stdout

    def stop(self) -> None:
        """End the reading process when nobody asked."""
        if self._process is not None and self._process.poll() is None:
            self._process.kill()
            self._process.wait()

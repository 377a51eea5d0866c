"""The commands a user types, run against one lab, with their outputs kept in build/e2e/."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lab import inventory

INVENTORY = "inventories/lab.py"
LOGS = Path("build/e2e")
# What a deploy, all checks or all mutations of an estate may take.
LONG = 6000


@dataclass
class LabSession:
    """One lab and what was done on it. `say` prints a line at once; `seconds` remembers how long each step took."""

    lab: str
    topology: str
    say: Callable[[str], None]
    seconds: dict[str, float] = field(default_factory=dict)

    @property
    def hosts(self) -> list[str]:
        """Names of the lab's hosts."""
        return [host["name"] for host in inventory.read(self.lab, Path("/var/lib/xteam-lab"))["hosts"]]

    def logs(self) -> list[Path]:
        """What the commands so far have printed."""
        return sorted(LOGS.glob(f"{self.topology}-*.log"))

    def secrets(self) -> dict[str, str]:
        """Every value of the lab's secrets store."""
        return json.loads(Path(f"/var/lib/xteam-lab/{self.lab}/secrets.json").read_text())

    def run(self, step: str, *words: str, limit: float = 1500) -> subprocess.CompletedProcess[str]:
        """Run a command of the project; its output goes to build/e2e/<topology>-<step>.log.

        Raises subprocess.TimeoutExpired after `limit` seconds. Whatever happens, the command is gone afterwards.
        """
        LOGS.mkdir(parents=True, exist_ok=True)
        started = time.monotonic()
        log = LOGS / f"{self.topology}-{step}.log"
        with log.open("w") as errors:
            process = subprocess.Popen(
                [*words],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
                env={**os.environ, "XTEAM_LAB": self.lab},
                start_new_session=True,
            )
            try:
                output, _ = process.communicate(timeout=limit)
            finally:
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                process.wait()
        log.write_text(log.read_text() + output)
        self.seconds[step] = time.monotonic() - started
        self.say(f"{self.topology}: {step} {self.seconds[step]:.1f} s (status {process.returncode}, {log})")
        return subprocess.CompletedProcess(words, process.returncode, output, tail(log))

    def pyinfra(self, step: str, *words: str) -> subprocess.CompletedProcess[str]:
        """Run pyinfra on the lab's inventory."""
        return self.run(step, _program("pyinfra"), *words, limit=LONG)

    def deploy_json(self, step: str, *options: str) -> dict[str, Any]:
        """Run the whole deploy and return what pyinfra says about it. Fails the test when it fails."""
        done = self.pyinfra(step, *options, "--json", INVENTORY, "deploys/all.py")
        assert done.returncode == 0, f"{step} failed:\n{done.stderr}"
        assert done.stdout.strip(), f"{step} was aborted, pyinfra printed nothing:\n{done.stderr}"
        return json.loads(done.stdout)

    def pytest(self, step: str, *words: str) -> subprocess.CompletedProcess[str]:
        """Run checks or mutations on the lab in a pytest of their own."""
        report = f"build/report/{self.topology}/checklist.json"
        options = ["--inventory", INVENTORY, "--checklist-report", report, "--color=no", "--durations=15"]
        if self.topology == "solo":
            options += ["--waivers", "lab/waivers-solo.yml"]
        return self.run(step, _program("pytest"), *words, *options, limit=LONG)

    def lab_command(self, verb: str, *words: str) -> subprocess.CompletedProcess[str]:
        """Run `python -m lab VERB`."""
        return self.run(f"lab-{verb}", sys.executable, "-m", "lab", verb, "--name", self.lab, *words)

    def on(self, host: str, script: str) -> str:
        """Run a shell script as root on a host and return its output; the script is read from standard input."""
        words = [sys.executable, "-m", "lab", "ssh", "--name", self.lab, host, "sudo", "sh", "-s"]
        return subprocess.run(words, input=script, capture_output=True, text=True, check=True, timeout=120).stdout

    def main_processes(self) -> dict[tuple[str, str], str]:
        """The main process of every running service on every host: a restart changes it.

        One-shot services run for a moment, as often as their timers say, and don't count.
        """
        found = {}
        for host in self.hosts:
            shown = self.on(host, "systemctl show --type=service --state=running -p Id,MainPID,Type '*'")
            for block in shown.strip().split("\n\n"):
                unit = dict(line.split("=", 1) for line in block.splitlines())
                if unit.get("Type") != "oneshot" and unit.get("MainPID", "0") != "0":
                    found[host, unit["Id"]] = unit["MainPID"]
        return found


def changes(result: dict[str, Any]) -> list[str]:
    """What a run changed: "operation (hosts)"."""
    operations = result["results"]["operations"]
    return [f"{o['name']} ({', '.join(o['success'])})" for o in operations if o["success"]]


def tail(path: Path, lines: int = 60) -> str:
    """The end of a log, for failure messages."""
    return "\n".join(path.read_text(errors="replace").splitlines()[-lines:])


def _program(name: str) -> str:
    return str(Path(sys.executable).with_name(name))

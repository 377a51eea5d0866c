"""People who use the site through an edge, and a ledger of what was acknowledged to them that outlives a power loss."""

import json
import subprocess
import sys
from pathlib import Path
from uuid import uuid4

from xteam_infra.plan.needs import CA_PATH

ON_HOST = Path(__file__).with_name("people_on_host.py")
DIRECTORY = "/var/lib/xteam-drill-people"
UNIT = "xteam-drill-people"
PEOPLE = 10
KINDS = ("upload", "row", "session", "logout", "task")


class People:
    """On the edge `host`. app: a host of the application, where they are made and erased."""

    def __init__(self, host, app, estate, task_seconds: int):
        self.host, self.app, self.manage = host, app, f"xteam-run -m {estate.app.app_manage_module}"
        name, password = f"drill-{uuid4().hex[:8]}", uuid4().hex
        self.names = [f"{name}-{number}" for number in range(PEOPLE)]
        self.remove_files()
        for one in self.names:
            made = app.run_with_stdin(f"{self.manage} create-user {one}", f"{password}\n")
            assert made.rc == 0, made.stderr[-500:]
        settings = {
            "domain": estate.all.domain,
            "ca": CA_PATH,
            "password": password,
            "users": self.names,
            "task_seconds": task_seconds,
        }
        host.check_output(f"install -d -m 700 {DIRECTORY}")
        host.run_with_stdin(f"cat > {DIRECTORY}/people.py", ON_HOST.read_text())
        host.run_with_stdin(f"cat > {DIRECTORY}/settings.json", json.dumps(settings))
        host.check_output(f"systemd-run -q --collect --unit {UNIT} {self._command('work')}")

    def acknowledged(self) -> int:
        """How much has been acknowledged up to now."""
        return int(self.host.run(f"wc -l < {DIRECTORY}/ledger 2>/dev/null || echo 0").stdout or 0)

    def served(self) -> bool:
        """Whether the edge lets one of them in."""
        return self.host.run(self._command("login")).rc == 0

    def stop(self) -> None:
        """They do nothing more."""
        self.host.run(f"systemctl stop {UNIT}")

    def look(self, figures: dict, seconds: float) -> list[str]:
        """What is lost. figures: how much was acknowledged and lost, by kind."""
        return told(json.loads(self.host.check_output(self._command("look"), timeout=seconds)), figures)

    def remove(self) -> None:
        """Erase them, and what the edge was given."""
        self.remove_files()
        for one in self.names:
            self.app.run(f"{self.manage} erase {one}")

    def remove_files(self) -> None:
        """What an edge was given."""
        self.host.run(f"systemctl stop {UNIT} 2>/dev/null; rm -rf {DIRECTORY}; true")

    def _command(self, step: str) -> str:
        return f"python3 {DIRECTORY}/people.py {step} {DIRECTORY}/settings.json"


class Outsiders:
    """The same, from the controller through the address that the edges share: no host of the estate carries them.

    directory: where their ledger is. app: as above.
    """

    def __init__(self, directory: Path, app, estate, task_seconds: int):
        self.directory, self.app, self.manage = directory, app, f"xteam-run -m {estate.app.app_manage_module}"
        name, password = f"drill-{uuid4().hex[:8]}", uuid4().hex
        self.names = [f"{name}-{number}" for number in range(PEOPLE)]
        for one in self.names:
            made = app.run_with_stdin(f"{self.manage} create-user {one}", f"{password}\n")
            assert made.rc == 0, made.stderr[-500:]
        (directory / "ca.crt").write_text(app.check_output(f"cat {CA_PATH}") + "\n")
        settings = {
            "domain": estate.all.domain,
            "address": estate.edge.edge_floating_address.partition("/")[0],
            "ca": str(directory / "ca.crt"),
            "password": password,
            "users": self.names,
            "task_seconds": task_seconds,
        }
        (directory / "settings.json").write_text(json.dumps(settings))
        with (directory / "said").open("w") as said:
            words = [sys.executable, str(ON_HOST), "work", str(directory / "settings.json")]
            self.process = subprocess.Popen(words, stdout=said, stderr=said)

    def requests(self) -> list[str]:
        """Each up to now, as "moment seconds method path", and what was wrong with it."""
        file = self.directory / "asked"
        return file.read_text().splitlines() if file.exists() else []

    def failed(self) -> list[str]:
        """Those that were not answered as they should."""
        return [line for line in self.requests() if len(line.split()) > 4]

    def stop(self) -> None:
        """They do nothing more."""
        self.process.kill()
        self.process.wait()

    def look(self, edge, figures: dict, seconds: float) -> list[str]:
        """What is lost of what was acknowledged. figures: how much was, by kind.

        It is asked on a host with an edge, which has more addresses to ask from than the limits of one client allow.
        """
        settings = json.loads((self.directory / "settings.json").read_text())
        del settings["address"]
        settings["ca"] = CA_PATH
        files = {"people.py": ON_HOST.read_text(), "settings.json": json.dumps(settings)}
        files["ledger"] = (self.directory / "ledger").read_text()
        edge.check_output(f"install -d -m 700 {DIRECTORY}")
        try:
            for name, text in files.items():
                edge.run_with_stdin(f"cat > {DIRECTORY}/{name}", text)
            command = f"python3 {DIRECTORY}/people.py look {DIRECTORY}/settings.json"
            return told(json.loads(edge.check_output(command, timeout=seconds)), figures)
        finally:
            edge.run(f"rm -rf {DIRECTORY}")

    def remove(self) -> None:
        """Erase them."""
        self.stop()
        for one in self.names:
            self.app.run(f"{self.manage} erase {one}")


def told(found: dict, figures: dict) -> list[str]:
    """What is lost, each in a line. figures: how much was acknowledged and lost, by kind."""
    for kind in KINDS:
        figures[f"{kind}s_acknowledged"] = found.get(kind, {}).get("acknowledged", 0)
        figures[f"{kind}s_lost"] = len(found.get(kind, {}).get("lost", ()))
    return [f"{kind}: {what}" for kind, one in found.items() for what in one["lost"]]

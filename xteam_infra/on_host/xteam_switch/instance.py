"""One of the two API instances of this host: started out of rotation, tried, put into rotation, drained, stopped."""

import http.client
import ssl
import time
from pathlib import Path

from xteam_switch.common import SwitchError, attempt, run, say, wait
from xteam_switch.settings import Settings, point

# An edge asks every three seconds, and waits for an answer up to eight; one that has not for so long asks no more.
ASKED_SECONDS = 15
# How long an edge may take to notice.
EDGE_SECONDS = 30
LAST_LINES = ("journalctl", "--no-pager", "--quiet", "--lines", "15", "--output", "cat")


class Instance:
    """colour: its name. unit: its service. link: points to its release. drained: the file that keeps requests away."""

    def __init__(self, colour: str, settings: Settings):
        self.colour, self.settings, self.port = colour, settings, settings.ports[colour]
        self.unit = f"xteam-api@{colour}.service"
        self.link = settings.root / colour
        self.drained = settings.drained / colour
        self.state = Path(f"/run/xteam-api-{colour}")

    def shows(self, key: str) -> str:
        """What systemd knows of it."""
        return run("systemctl", "show", "--property", key, "--value", self.unit).strip()

    @property
    def active(self) -> bool:
        """Whether it runs."""
        return self.shows("ActiveState") == "active"

    @property
    def enabled(self) -> bool:
        """Whether it starts at boot."""
        return self.shows("UnitFileState") == "enabled"

    @property
    def release(self) -> str:
        """What it runs, or would; empty before its first."""
        return self.link.readlink().name if self.link.is_symlink() else ""

    def prepare(self, release: str) -> None:
        """What it starts with. Only while it does not run."""
        point(self.link, self.settings.release(release))
        environment = Path(f"/etc/xteam/api-{self.colour}.env")
        environment.write_text(f'RELEASE="{release}"\nAPI_PORT="{self.port}"\n')

    def take_out(self) -> None:
        """The edges are told to send no new requests."""
        self.drained.parent.mkdir(mode=0o755, exist_ok=True)
        self.drained.touch()

    def put_in(self) -> None:
        """The edges are told that it takes requests."""
        self.drained.unlink(missing_ok=True)

    def start(self) -> None:
        """Start it, out of rotation, and wait until it is ready. Raises SwitchError when it does not become so."""
        self.take_out()
        run("systemctl", "daemon-reload")
        attempt("systemctl", "reset-failed", self.unit)
        run("systemctl", "start", self.unit)
        seconds = self.settings.ready_seconds
        said = ["it does not answer"]

        def ready() -> bool:
            if self.shows("NRestarts") != "0" or self.shows("ActiveState") == "failed":
                raise SwitchError(f"{self.release} ends as soon as it is started. Its last words:\n{self.last_words()}")
            said[0] = self.ask()
            return said[0] == ""

        if not wait(ready, seconds):
            why = f"{self.release} is not ready after {seconds} s: {said[0]}"
            raise SwitchError(f"{why}. Its last words:\n{self.last_words()}")
        say(f"{self.colour} is ready with {self.release}")

    def try_out(self) -> None:
        """Use it as a user would, all but its tasks: those are the workers' business. Raises SwitchError."""
        where = ("--connect", f"{self.settings.address}:{self.port}", "--server-name", self.settings.server_name)
        done = attempt("xteam-smoke", *where, "--without-task")
        if done.returncode:
            raise SwitchError(f"{self.release} is ready, but {done.stderr.strip()}\n{self.last_words()}")
        say(f"{self.colour} does what users do")

    def logs(self, allowed: int) -> None:
        """Look for errors in its log since its start. Raises SwitchError when there are more than allowed."""
        done = attempt("xteam-log-errors", self.unit, "--allowed", str(allowed))
        if done.returncode:
            raise SwitchError(f"{self.release} answers, but there are {done.stderr.strip()}")
        say(f"{self.colour} has logged no more errors than allowed ({allowed})")

    def ask(self) -> str:
        """What keeps it from being ready; nothing when it is."""
        trust = ssl.create_default_context(cafile=self.settings.ca)
        connection = http.client.HTTPSConnection(self.settings.address, self.port, timeout=10, context=trust)
        try:
            connection.request("GET", self.settings.ready_path, headers={"X-Xteam-Probe": "xteam-switch"})
            answer = connection.getresponse()
            text = answer.read().decode(errors="replace")[:1000]
        except (OSError, http.client.HTTPException) as error:
            return f"it does not answer: {error}"
        finally:
            connection.close()
        return "" if answer.status == 200 else f"{self.settings.ready_path} answers {answer.status}: {text}"

    def last_words(self) -> str:
        """The end of its log since it was started."""
        lines = run(*LAST_LINES, f"_SYSTEMD_INVOCATION_ID={self.shows('InvocationID')}")
        return lines or run(*LAST_LINES, "--unit", self.unit)

    def heard(self, status: int, since: float) -> set[str]:
        """The edges that this instance has answered with that status since."""
        marks = {edge: self.state / f"{edge}-{status}" for edge in self.settings.edges}
        return {edge for edge, mark in marks.items() if mark.exists() and mark.stat().st_mtime > since}

    def asked_by(self) -> set[str]:
        """The edges that have it in rotation."""
        return self.heard(200, time.time() - ASKED_SECONDS)

    def connections(self) -> int:
        """How many it has."""
        return len(run("ss", "-Htn", "state", "established", f"sport = :{self.port}").splitlines())

    def drain(self) -> None:
        """Take new requests away from it, and let the old ones end."""
        edges = self.asked_by()
        told = time.time()
        self.take_out()
        if not wait(lambda: edges <= self.heard(404, told), EDGE_SECONDS):
            say(f"{', '.join(sorted(edges - self.heard(404, told)))} asked {self.colour} no more: going on")
        time.sleep(0.3)  # an edge acts on the answer a moment after it was sent
        if not wait(lambda: self.connections() == 0, self.settings.drain_seconds):
            say(f"{self.connections()} connections to {self.colour} are left")

    def retire(self) -> None:
        """Take new requests away from it, let the old ones end, and stop it."""
        self.drain()
        self.stop()
        say(f"{self.colour} is stopped")

    def stop(self) -> None:
        """Stop it, now and at boot."""
        run("systemctl", "disable", "--quiet", self.unit)
        run("systemctl", "stop", self.unit)
        attempt("systemctl", "reset-failed", self.unit)
        self.put_in()

"""The API of this host: which instance serves, and how another release takes its place."""

import json
import shutil
import time
from pathlib import Path

from xteam_switch.common import SwitchError, complain, run, say, wait
from xteam_switch.environment import keep_environment, restore_environment
from xteam_switch.instance import EDGE_SECONDS, Instance
from xteam_switch.settings import Settings, point


class Host:
    """Its two instances."""

    def __init__(self, settings: Settings):
        self.settings = settings
        self.instances = [Instance(colour, settings) for colour in settings.ports]

    def status(self) -> None:
        """Print both instances, a line each."""
        for one in self.instances:
            state = "drained" if one.drained.exists() else "serves"
            print(f"{one.colour:6} {one.port} {state if one.active else 'stopped':8} {one.release or '-'}")

    def leave(self) -> None:
        """Take requests away from what runs. It serves again after the next boot."""
        serving = self.tidy()
        if serving:
            serving.drain()
            say(f"{serving.colour} is asked nothing more")

    def stay(self) -> None:
        """Have it serve again."""
        serving = self.tidy()
        say(f"{serving.colour} serves" if serving else "nothing runs here")

    def switch(self, release: str, judged: bool = True) -> None:
        """Put a release in use. Raises SwitchError, with everything as it was, when it does not become ready.

        judged: not if there are errors in its log, either. On the way back a log is no reason to stay.
        """
        if not (self.settings.release(release) / "venv/bin/python").exists():
            raise SwitchError(f"this host has no release {release}; it has: {self.releases()}")
        old = self.tidy()
        new = next(one for one in self.instances if one is not old)
        new.stop()
        new.prepare(release)
        try:
            until = self.bring_up(new, old, judged)
        except BaseException:
            self.take_back(new, old)
            raise
        run("systemctl", "enable", "--quiet", new.unit)
        if old:
            old.retire()
        keep_environment(self.settings, release)
        self.note(new, until)
        say(f"{new.colour} serves {release}")

    def bring_up(self, new: Instance, old: Instance | None, judged: bool) -> float:
        """Start the new instance, try it, and put it into rotation. When that was. Raises SwitchError."""
        new.start()
        if old:  # the first release ever has nobody to compare with, and no user to make
            new.try_out()
        if judged:
            new.logs(self.settings.log_errors_allowed)
        until = time.time()
        new.put_in()
        if old:
            self.in_rotation(new, old)
        return until

    def note(self, new: Instance, until: float) -> None:
        """Write down what serves now, and until when its log was all its own: from then on users are in it."""
        noted = self.settings.switched
        noted.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
        said = {"unit": new.unit, "release": new.release, "invocation": new.shows("InvocationID"), "until": until}
        noted.write_text(json.dumps(said) + "\n")

    def tidy(self) -> Instance | None:
        """The instance that serves. Ends what an interrupted switch has left."""
        running = (one for one in self.instances if one.active)
        active = sorted(running, key=lambda one: (not one.enabled, one.drained.exists()))
        for one in active[1:]:
            one.retire()
        if active:
            active[0].put_in()
        return active[0] if active else None

    def in_rotation(self, new: Instance, old: Instance) -> None:
        """Wait until every edge that sends requests to the old instance sends them to the new one too."""
        edges = old.asked_by()
        if not wait(lambda: edges <= new.heard(200, 0), EDGE_SECONDS):
            missing = ", ".join(sorted(edges - new.heard(200, 0)))
            raise SwitchError(
                f"edge {missing} does not ask the new instance on port {new.port}: is it open to the edge?"
            )
        say(f"{new.colour} is in rotation at {len(edges)} edges")

    def take_back(self, new: Instance, old: Instance | None) -> None:
        """Stop the new instance. The old one has never been touched; what it would be restarted with is put back."""
        if new.drained.exists() or not old:
            new.stop()
        else:
            new.retire()
        if old:
            restore_environment(self.settings, old.release)
        complain(f"{old.release if old else 'nothing'} goes on serving on this host")

    def restore(self, release: str) -> None:
        """Have the API, the link and the workers run a release again. What does so already is left alone."""
        for left in self.settings.releases.glob(".*"):  # of a release that did not arrive
            shutil.rmtree(left) if left.is_dir() else left.unlink()
        restore_environment(self.settings, release)
        serving = self.tidy() if self.settings.serves else None
        if self.settings.serves and (serving is None or serving.release != release):
            self.switch(release, judged=False)
        point(self.settings.root / "current", self.settings.release(release))
        listed = run(
            "systemctl", "list-units", "--plain", "--no-legend", "--all", "xteam-worker@*", "xteam-beat.service"
        )
        for unit in [line.split()[0] for line in listed.splitlines()]:
            if release_of(unit) != release:
                run("systemctl", "restart", unit)
                say(f"{unit} is restarted with {release}")
        say(f"this host runs {release}")

    def releases(self) -> str:
        """Those of this host."""
        return ", ".join(sorted(one.name for one in self.settings.releases.iterdir() if one.name[0] != ".")) or "none"


def release_of(unit: str) -> str:
    """What its main process was started with; empty when it does not run."""
    pid = run("systemctl", "show", "--property", "MainPID", "--value", unit).strip()
    try:
        words = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    except OSError:
        return ""
    return next((word[8:].decode() for word in words if word.startswith(b"RELEASE=")), "")

"""The units that are written on hosts, read for what a container needs of them: one declaration of both."""

import re
import shlex

from xteam_infra.engine.operations import HostFile
from xteam_infra.engine.runtime import fill
from xteam_infra.estate import Estate
from xteam_infra.layers.app.needs import CURRENT

# The instance of a unit template. On a host it is a colour, a link to a release below /opt/xteam; in an image there is
# one release, /opt/xteam/current.
INSTANCE = "current"


class Unit:
    """A unit. Its settings by their names; %i is the instance, and variables are spelled as Kubernetes does."""

    def __init__(self, text: str, instance: str = INSTANCE):
        text = re.sub(r"\$\{(\w+)\}", r"$(\1)", text.replace("\\\n", " "))
        text = text.replace("%i", instance).replace("%H", "$(POD_NAME)")
        lines = [line for line in text.splitlines() if "=" in line and line[0] not in "#["]
        self.settings = [(name, value) for name, _, value in (line.partition("=") for line in lines)]

    def each(self, name: str) -> list[str]:
        """Every value of a setting."""
        return [value for key, value in self.settings if key == name]

    def one(self, name: str) -> str:
        """Its last value, which counts; empty if it has none."""
        return (self.each(name) or [""])[-1]

    @property
    def command(self) -> list[str]:
        """What is started: the Python of the release, as on hosts."""
        words = shlex.split(self.one("ExecStart"))
        return [f"{CURRENT}/venv/bin/python" if words[0].endswith("/xteam-python") else words[0], *words[1:]]

    @property
    def environment(self) -> dict[str, str]:
        """The variables it sets itself."""
        return dict(text.split("=", 1) for text in self.each("Environment"))

    @property
    def memory_mb(self) -> int:
        """The most it may use."""
        return int(self.one("MemoryMax").removesuffix("M"))

    @property
    def cpu_percent(self) -> int | None:
        """Likewise, in percent of one core."""
        return int(self.one("CPUQuota").removesuffix("%")) if self.one("CPUQuota") else None

    @property
    def stop_seconds(self) -> int:
        """How long it may take to end."""
        return int(self.one("TimeoutStopSec") or 90)

    @property
    def runtime_directories(self) -> list[str]:
        """Its directories in memory."""
        return [f"/run/{name}" for name in self.one("RuntimeDirectory").split()]

    @property
    def writable(self) -> list[str]:
        """The directories it may write to beside those."""
        return self.one("ReadWritePaths").split()


def read(file: HostFile, estate: Estate, instance: str = INSTANCE) -> Unit:
    """The unit of this file."""
    return Unit(fill(file.template, {"estate": estate, **file.context}), instance)


def of_command(file: HostFile) -> Unit:
    """The transient unit that a shell command makes with systemd-run."""
    return Unit("\n".join(re.findall(r"--property=(\S+)", file.content)))

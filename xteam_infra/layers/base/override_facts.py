"""Lines of configuration that others wrote beside ours, and that may be read after ours."""

from typing import NamedTuple

from pyinfra.api import FactBase
from typing_extensions import override

DIRECTORIES = {
    "sysctl": "/etc/sysctl.d/*.conf /run/sysctl.d/*.conf /usr/local/lib/sysctl.d/*.conf /usr/lib/sysctl.d/*.conf",
    "journald": "/etc/systemd/journald.conf.d/*.conf /run/systemd/journald.conf.d/*.conf"
    " /usr/lib/systemd/journald.conf.d/*.conf",
    "sshd": "/etc/ssh/sshd_config /etc/ssh/sshd_config.d/*.conf",
    "apt": "/etc/apt/apt.conf /etc/apt/apt.conf.d/*",
    "unit": " ".join(
        f"{place}/{files}"
        for place in ("/etc/systemd/system", "/run/systemd/system", "/usr/local/lib/systemd/system")
        for files in ("*.d/*.conf", "*.service", "*.timer", "*.path", "*.socket")
    ),
    "nsswitch": "/etc/nsswitch.conf",
}
OWN = "anaged by xteam-infra"


class Line(NamedTuple):
    """One line of a file. kind: a key of DIRECTORIES."""

    kind: str
    path: str
    number: int
    text: str


class ConfigurationLines(FactBase[list[Line]]):
    """Every line of those files that is neither empty nor a comment, in the order of the files' names.

    Of units and drop-ins that are ours there is a line of kind "own" too, without text.
    """

    default = list

    @override
    def command(self) -> str:
        greps = (f"grep -Hnv '^[[:space:]]*\\([#;]\\|//\\|$\\)' {paths} 2>/dev/null" for paths in DIRECTORIES.values())
        reads = [f"{grep} | sed 's|^|{kind} |'" for kind, grep in zip(DIRECTORIES, greps, strict=True)]
        return "; ".join([*reads, f"grep -ls '{OWN}' {DIRECTORIES['unit']} | sed 's|.*|own &:0:|'"])

    @override
    def process(self, output: list[str]) -> list[Line]:
        found = []
        for line in output:
            kind, rest = line.split(" ", 1)
            path, number, text = rest.split(":", 2)
            found.append(Line(kind, path, int(number), text.strip()))
        return found

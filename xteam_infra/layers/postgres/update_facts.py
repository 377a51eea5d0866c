"""What a member of the PostgreSQL cluster has not taken over yet: newer packages, and files replaced under it."""

from typing import NamedTuple

from pyinfra.api import FactBase, QuoteString, StringCommand
from typing_extensions import override

# Lists of packages older than an hour are asked for again: a stale one would hide the update.
COMMAND = r"""
lists=$(find /var/lib/apt/lists -maxdepth 1 -name '*Packages*' -mmin -60 -print -quit 2>/dev/null)
[ -n "$lists" ] || apt-get -qq -o DPkg::Lock::Timeout=300 update >/dev/null 2>&1
LC_ALL=C apt-get -s --only-upgrade install -- "$@" 2>/dev/null | sed -n 's/^Inst \([^ ]*\).*/newer=\1/p'
for pid in $(cat /sys/fs/cgroup$(systemctl show -p ControlGroup --value "$unit")/cgroup.procs 2>/dev/null); do
  grep -hoE '/(usr|lib)[^ ]* \(deleted\)$' /proc/$pid/maps 2>/dev/null
done | sort -u | sed 's/^/replaced=/; s/ (deleted)$//'
"""


class Outdated(NamedTuple):
    """newer: packages with a newer version. replaced: files whose old version still runs."""

    newer: tuple[str, ...]
    replaced: tuple[str, ...]


class MemberOutdated(FactBase[Outdated]):
    """What of `packages` could be newer, and what `unit` still runs although it was replaced."""

    default = staticmethod(lambda: Outdated((), ()))

    @override
    def command(self, unit: str, packages: list[str]) -> StringCommand:
        names = [QuoteString(name) for name in packages]
        return StringCommand("unit=", QuoteString(unit), "; set -- ", *_spaced(names), ";", COMMAND, _separator="")

    @override
    def process(self, output: list[str]) -> Outdated:
        pairs = [line.split("=", 1) for line in output if "=" in line]
        newer, replaced = (tuple(value for key, value in pairs if key == kind) for kind in ("newer", "replaced"))
        return Outdated(newer, replaced)


def _spaced(names: list[QuoteString]) -> list[QuoteString | str]:
    return [part for name in names for part in (name, " ")]

"""Debian packages, installed without starting what they bring."""

from collections.abc import Mapping

from pyinfra import host
from pyinfra.api import QuoteString, StringCommand, operation

from xteam_infra.engine.commands import Commands
from xteam_infra.engine.facts.packages import InstalledPackages
from xteam_infra.engine.operations.files import HostFile, _replace

# Packages must not start services with Debian's default configuration: some listen without a password.
INSTALL = r"""set -e
guard=/usr/sbin/policy-rc.d
if [ ! -e $guard ]; then
  printf '#!/bin/sh\nexit 101\n' > $guard; chmod 755 $guard
  trap 'rm -f $guard' EXIT
fi
export DEBIAN_FRONTEND=noninteractive NEEDRESTART_SUSPEND=1
update() { apt-get -q -o DPkg::Lock::Timeout=300 update; }
install() {
  apt-get -q -y -o DPkg::Lock::Timeout=300 -o Dpkg::Options::=--force-confdef -o Dpkg::Options::=--force-confold \
    install --no-install-recommends -- "$@"
}
[ -n "$(find /var/lib/apt/lists -maxdepth 1 -name '*Packages*' -mmin -1440 -print -quit)" ] || update
install "$@" || { update; install "$@"; }"""


@operation()
def packages(wanted: list[str], masked: list[str] | None = None, files: Mapping[str, str] | None = None) -> Commands:
    """Install Debian packages, none of whose services starts by itself.

    masked: units to mask before, so that they never start.
    files: path and text of files that decide what the installation does, so they are written before it.
    """
    installed = host.get_fact(InstalledPackages, packages=sorted(set(wanted)))
    missing = sorted(set(wanted) - installed)
    if not missing:
        host.noop("all packages are installed")
        return
    for unit in masked or []:
        yield StringCommand("ln -sfT /dev/null", QuoteString(f"/etc/systemd/system/{unit}"))
    for path, text in (files or {}).items():
        yield _replace(HostFile(path, text=text))
    yield StringCommand("sh -c", QuoteString(INSTALL), "install", *(QuoteString(name) for name in missing))

"""The SSH server's settings, which take themselves back unless a fresh connection succeeds under them."""

from pyinfra import host, state
from pyinfra.api import StringCommand, operation

from xteam_infra.facts.files import FileStates
from xteam_infra.facts.services import APPLIED, Services, digest_command
from xteam_infra.operations.confirmed import cancel, fresh_connection, schedule
from xteam_infra.operations.diff import show_diff
from xteam_infra.operations.files import HostFile

UNIT = "ssh.service"
REVERT = "xteam-sshd-revert"
BEFORE = "/run/xteam-sshd.before"


@operation()
def confirmed_sshd(settings: HostFile, seconds: int):
    """Write the drop-in, reload the server, prove that a new login works, then keep it."""
    before = host.get_fact(FileStates, paths=[settings.dest]).get(settings.dest)
    found = host.get_fact(Services, unit=UNIT, paths=[settings.dest])
    if before == settings.wanted and found.applied and (found.active, found.enabled) == ("active", "enabled"):
        host.noop("the SSH server runs with these settings")
        return
    if state.config.DIFF and not (state.is_executing and state.should_check_for_changes()):
        show_diff(settings.dest, before, settings.wanted, settings.shown())
    yield StringCommand(_try(settings, seconds), _stdin=settings.content)
    yield fresh_connection(seconds, "Compare templates/base/sshd.conf.j2 with what your SSH client speaks")
    keep = f"set -e; {cancel(REVERT)}; rm -f {BEFORE}; systemctl enable -q {UNIT}; mkdir -p {APPLIED}; ("
    yield StringCommand(keep, digest_command([settings.dest]), f") > {APPLIED}/{UNIT}")


def _try(settings: HostFile, seconds: int) -> str:
    dest = settings.dest
    new = f"{dest}.new"  # sshd reads *.conf alone
    take_back = f"if [ -s {BEFORE} ]; then cp -p {BEFORE} {dest}; else rm -f {dest}; fi; systemctl reload {UNIT}"
    size = len(settings.content.encode())
    return "; ".join(
        [
            f"set -e; umask 077; cat > {new}; [ $(wc -c < {new}) -eq {size} ]; mkdir -p /run/sshd",
            f"sshd -t -f {new} || {{ rm -f {new}; exit 1; }}",
            f"if [ -e {dest} ]; then cp -p {dest} {BEFORE}; else : > {BEFORE}; fi",
            schedule(REVERT, seconds, take_back),
            f"chown {settings.owner}:{settings.group} {new}; chmod {settings.mode} {new}; mv -fT {new} {dest}",
            f"systemctl is-active -q {UNIT} && systemctl reload {UNIT} || systemctl start {UNIT}",
        ]
    )

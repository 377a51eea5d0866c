"""The SSH server's settings, which are reverted by themselves (auto-revert) unless a fresh connection succeeds under
them."""

from pyinfra import host
from pyinfra.api import operation

from xteam_infra.engine.commands import Commands
from xteam_infra.engine.facts.services import APPLIED, Services, digest_command
from xteam_infra.engine.operations.auto_revert import AutoRevert, with_auto_revert
from xteam_infra.engine.operations.files import HostFile

UNIT = "ssh.service"
BEFORE = "/run/xteam-sshd.before"


@operation()
def sshd_with_auto_revert(settings: HostFile, seconds: int) -> Commands:
    """Write the drop-in, reload the server, prove that a new login works, then keep it."""
    dest = settings.dest
    new = f"{dest}.new"  # sshd reads *.conf alone
    found = host.get_fact(Services, unit=UNIT, paths=[dest])
    stamp = f"rm -f {BEFORE}; systemctl enable -q {UNIT}; mkdir -p {APPLIED}; ("
    revert = AutoRevert(
        timer="xteam-sshd-revert",
        hint="Compare templates/base/sshd.conf.j2 with what your SSH client speaks",
        candidate=new,
        check=f"mkdir -p /run/sshd; sshd -t -f {new}",
        save=f"if [ -e {dest} ]; then cp -p {dest} {BEFORE}; else : > {BEFORE}; fi",
        take_back=f"if [ -s {BEFORE} ]; then cp -p {BEFORE} {dest}; else rm -f {dest}; fi; systemctl reload {UNIT}",
        apply=f"chown {settings.owner}:{settings.group} {new}; chmod {settings.mode} {new}; mv -fT {new} {dest}; "
        f"systemctl is-active -q {UNIT} && systemctl reload {UNIT} || systemctl start {UNIT}",
        keep=(stamp, digest_command([dest]), f") > {APPLIED}/{UNIT}"),
    )
    in_force = found.applied and (found.active, found.enabled) == ("active", "enabled")
    yield from with_auto_revert(settings, in_force, revert, seconds)

"""The rehearsal of a release's migrations, on the host that keeps the databases' backups."""

from pyinfra.api import FunctionCommand, QuoteString, StringCommand, operation

from xteam_infra.engine.commands import Commands
from xteam_infra.layers.app.operations import shipped
from xteam_infra.layers.backup.needs import REHEARSALS
from xteam_infra.layers.backup.operations import run_and_show
from xteam_infra.release import Release


@operation(is_idempotent=False)
def rehearse(wanted: Release) -> Commands:
    """Migrate a restored copy of the newest backup; prints what the migrations say, and how long each takes.

    Fails when they fail, with the host as it was: copy and release are gone.
    """
    yield StringCommand("rm -rf --", QuoteString(f"{REHEARSALS}/{wanted.id}"))
    yield from shipped(wanted, REHEARSALS)
    # What was written last is to be in the copy. In a unit of its own: a dropped connection does not end it half-way.
    archived = "systemctl start xteam-backup@check.service"
    unit = "systemd-run --quiet --wait --pipe --collect --service-type=exec --unit=xteam-rehearsal"
    command = StringCommand(f"{archived} && {unit} /usr/local/sbin/xteam-restore rehearse", wanted.id)
    yield FunctionCommand(run_and_show, (command,), {})

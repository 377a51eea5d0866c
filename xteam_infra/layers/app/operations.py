"""The application's releases on a host: each whole in a directory of its own, one of them in use."""

import hashlib
from collections.abc import Iterator, Sequence

from pyinfra import host, state
from pyinfra.api import FileUploadCommand, QuoteString, StringCommand, operation

from xteam_infra.engine.commands import Commands
from xteam_infra.engine.facts.services import APPLIED, digest_command
from xteam_infra.engine.facts.shell_condition import ShellCondition
from xteam_infra.engine.operations.files import HostFile
from xteam_infra.engine.operations.pending import is_pending, will_change
from xteam_infra.engine.operations.services import will_differ
from xteam_infra.estate import Estate
from xteam_infra.layers.app.facts import API_STAMP, Api, Releases
from xteam_infra.layers.app.needs import CURRENT, RELEASES
from xteam_infra.machine import Machine
from xteam_infra.release import Release

# The archive is checked before it is unpacked, and appears under its name only when everything is there.
# Compiled here: the services can't write into their own release, and would compile it anew at each start.
UNPACK = """set -eu
umask 022
archive={releases}/.{id}.tar.gz
new={releases}/.{id}.new
trap 'rm -rf "$archive" "$new"' EXIT
echo "{sha256}  $archive" | sha256sum --check --quiet || {{ echo "it arrived damaged: run again" >&2; exit 1; }}
rm -rf "$new"
/usr/bin/python3 -I -m venv --without-pip "$new/venv"
rm -f "$new"/venv/bin/[Aa]ctivate*
set -- "$new"/venv/lib/python3*/site-packages
rmdir "$1"
tar --extract --no-same-owner --gzip --file "$archive" --directory "$(dirname "$1")"
"$new/venv/bin/python" -I -m compileall -q -j 0 "$1" >/dev/null || true
touch "$new"
mv -T "$new" {releases}/{id}"""


@operation()
def release(wanted: Release) -> Commands:
    """Ship a release to the host, unless it has it."""
    if wanted.id in host.get_fact(Releases).present:
        host.noop(f"release {wanted.id} is there")
        return
    yield from shipped(wanted, RELEASES)


def shipped(wanted: Release, directory: str) -> Iterator[StringCommand | FileUploadCommand]:
    """Send a release, check it, and unpack it below a directory."""
    wanted = wanted.fetched()
    yield StringCommand(f"install -d -m 755 {directory}")
    yield FileUploadCommand(str(wanted.archive), f"{directory}/.{wanted.id}.tar.gz")
    yield StringCommand("sh -c", QuoteString(UNPACK.format(releases=directory, id=wanted.id, sha256=wanted.sha256)))


@operation()
def current(wanted: Release, keep: int) -> Commands:
    """Put a release in use for the processes started from now on, and remove all but the `keep` used last."""
    found = host.get_fact(Releases)
    if found.current == wanted.id:
        host.noop(f"release {wanted.id} is in use")
        return
    will_change(CURRENT)
    link = f"ln -sfT {RELEASES}/{wanted.id} {CURRENT}.new && mv -fT {CURRENT}.new {CURRENT}"
    # Its time of change says when it was last put in use.
    yield StringCommand(f"test -d {RELEASES}/{wanted.id} && touch {RELEASES}/{wanted.id} && {link}")
    kept = {wanted.id, found.current}
    others = [one for one in host.get_fact(Releases).present if one not in kept]
    for one in others[: max(0, len(others) + len(kept) - keep)]:
        yield StringCommand("rm -rf --", QuoteString(f"{RELEASES}/{one}"))


@operation()
def switch_api(wanted: Release, inputs: Sequence[HostFile | str]) -> Commands:
    """Have the API serve a release with its present inputs: the other instance starts, then this one is stopped.

    When the new instance does not become ready it is gone again, the old one has never stopped, and this fails.
    """
    paths = [one.dest if isinstance(one, HostFile) else one for one in inputs]
    found = host.get_fact(Api, paths=paths)
    fresh = found.serving and found.release == wanted.id and found.applied and not found.stale
    if fresh and not will_differ(inputs):
        host.noop(f"the API serves {wanted.id} with its present files")
        return
    # In a unit of its own: a dropped connection must not end it half-way.
    run = "systemd-run --quiet --collect --pipe --wait --service-type=exec --unit=xteam-switch"
    stamp = f"{APPLIED}/{API_STAMP}"
    yield StringCommand(
        f"set -e; mkdir -p {APPLIED}; rm -f {stamp}; {run} /usr/local/sbin/xteam-switch switch {wanted.id}; (",
        digest_command(paths),
        f") > {stamp}",
    )


@operation()
def in_use(wanted: Release) -> Commands:
    """Fail unless a release is in use, or an earlier operation of this run puts it in use. Changes nothing."""
    found = host.get_fact(Releases).current
    if found == wanted.id or (is_pending(CURRENT) and not state.is_executing):
        host.noop(f"release {wanted.id} is in use")
        return
    complaint = f"this host uses release {found or 'none'}, not {wanted.id}: run deploys/app.py first"
    yield StringCommand("echo", QuoteString(complaint), ">&2; exit 1")


@operation()
def smoke(estate: Estate, edge: Machine, wanted: Release) -> Commands:
    """Run the smoke suite from this host through an edge, unless nothing has changed since it last passed."""
    # Everything declared (what --data says to one run alone is not dumped), and everything started on this host.
    declared = hashlib.sha256(f"{estate.model_dump_json()} {wanted.id}".encode()).hexdigest()
    stamp = f"{APPLIED}/smoke-{edge.name}"
    state_of = f"(echo {declared}; cat {APPLIED}/{API_STAMP} {APPLIED}/xteam-*.service) 2>/dev/null | sha256sum"
    if host.get_fact(ShellCondition, check=f'test "$( {state_of})" = "$(cat {stamp})"'):
        host.noop("nothing has changed since it last passed")
        return
    workers = "" if estate.members("worker") else " --without-task"
    yield StringCommand(f"xteam-smoke --connect {edge.address}:443{workers} && {state_of} > {stamp}")

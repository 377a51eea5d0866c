"""Drill on users' files: one is lost on its host, and comes back from the backup host; the others stay as they are."""

import json
import re
import shlex
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from checklist.run import not_applicable
from tests.drills.harness.kept import nothing_displaced
from xteam_infra.layers.files.needs import client_certificate
from xteam_infra.plan import CA_PATH as CA
from xteam_infra.plan.needs import METRICS_DIRECTORY

pytestmark = pytest.mark.group("app", first=True)
UPLOADS = "/srv/xteam/uploads"


@pytest.mark.item("BAK-03")
def test_deleted_upload_is_restored(host, estate, figures, runbook):
    """By the runbook: look what is kept, put back what is missing. A file that was changed since stays changed."""
    if not estate.members("backup"):
        not_applicable("no backup host in the inventory")
    home = f"{UPLOADS}/drill-{uuid4().hex}"
    try:
        host.check_output(f"install -d -o xteam -g xteam -m 750 {home}")
        host.check_output(
            f"head -c 3000000 /dev/urandom > {home}/lost; echo before > {home}/kept; chown -R xteam: {home}"
        )
        digest = host.check_output(f"sha256sum {home}/lost")
        book = runbook("files-restore")
        book.run("back-up", host)
        host.check_output(f"rm {home}/lost; echo after > {home}/kept")
        assert "uploads" in book.run("look", host)
        seconds = -float(host.check_output("date +%s.%N"))
        book.run("put-back", host)
        seconds += float(host.check_output("date +%s.%N"))
        assert host.check_output(f"sha256sum {home}/lost") == digest, "the file is not what it was"
        assert host.check_output(f"stat -c %U:%G {home}/lost") == "xteam:xteam", "it is another's now"
        assert host.check_output(f"cat {home}/kept") == "after", "a newer file was overwritten"
        host.check_output(f"rm {home}/lost")
        book.run("put-back-one", host, SNAPSHOT="latest", PATH_OF_FILE=f"{home}/lost")
        assert host.check_output(f"sha256sum {home}/lost") == digest
        figures["restore_seconds"] = round(seconds, 1)
        figures["snapshots"] = len(json.loads(host.check_output("xteam-files list --json")))
    finally:
        host.run(f"rm -rf {home}")


@pytest.mark.item("BAK-03")
def test_lost_file_backups_are_fetched_from_bucket(host, hosts, estate, figures, runbook):
    """By the runbook: the backup host loses a repository and gets it from the copy; then a lost file comes back."""
    if not estate.backup.bucket or not estate.members("backup"):
        not_applicable("no copy: backup_s3_bucket is not set")
    keeper, book, lost = hosts.group("backup")[0], runbook("files-fetch"), f"{estate.files.files_backup_path}/"
    home, words = f"{UPLOADS}/drill-{uuid4().hex}", {"HOST": host.name}
    lost += host.name
    try:
        host.check_output(f"install -d -o xteam -g xteam -m 750 {home}; head -c 3000000 /dev/urandom > {home}/lost")
        digest = host.check_output(f"sha256sum {home}/lost")
        host.check_output("xteam-files backup")
        keeper.check_output("systemctl start xteam-files-copy.service")
        before = json.loads(host.check_output("xteam-files list --json"))
        assert f"{host.name}  bucket" in book.run("look", keeper)
        book.run("move-away", keeper, **words)
        assert host.run("xteam-files list").rc != 0, "the backups are still there: this drill shows nothing"
        seconds = -float(keeper.check_output("date +%s.%N"))
        assert "are back from the bucket" in book.run("fetch", keeper, **words)
        figures["fetch_seconds"] = round(seconds + float(keeper.check_output("date +%s.%N")), 1)
        host.check_output(f"rm {home}/lost")
        book.run("back-up", host)
        after = json.loads(host.check_output("xteam-files list --json"))
        assert before[-1]["time"] in [one["time"] for one in after], "the newest backup did not come back"
        host.check_output(f"xteam-files restore {after[-2]['id']} {home}/lost")
        assert host.check_output(f"sha256sum {home}/lost") == digest, "the file is not what it was"
    finally:
        host.run(f"rm -rf {home}")
        keeper.run(f"[ -e {lost}/config ] || {{ rm -rf {lost}; mv {lost}.lost {lost}; }}; rm -rf {lost}.lost")


# What an intruder on an API host does with its own rights: empty places before its directories, and a date.
SEND_NOTHING = """
set -eu
export RESTIC_REPOSITORY=$(sed -n 's/^export RESTIC_REPOSITORY=//p' /usr/local/sbin/xteam-files)
export RESTIC_PASSWORD_FILE=/etc/xteam/files/password
options=$(sed -n 's/^    restic \\(--no-cache.*\\) "$@"$/\\1/p' /usr/local/sbin/xteam-files)
mount -t tmpfs none /srv/xteam/uploads
mount -t tmpfs none /srv/xteam/workspaces
for date in "$@"; do
    restic $options backup --host "$(hostname -s)" --time "$date" /srv/xteam/uploads /srv/xteam/workspaces
done
"""
EMPTY = 50


@pytest.mark.item("BAK-03")
def test_flood_of_backups_from_api_host_expires_no_good_backup(host, hosts, estate, figures, runbook):
    """Fifty backups of nothing, half of them dated ahead, then the backup host's own retention: every file is still
    there. Then by the runbook: what was sent is removed, and backups expire again."""
    if not estate.members("backup"):
        not_applicable("no backup host in the inventory")
    keeper, book = hosts.group("backup")[0], runbook("files-shrunk")
    home, now = f"{UPLOADS}/drill-{uuid4().hex}", datetime.now(UTC)
    ledger = f"/var/lib/xteam/files/ledger/{host.name}.json"
    try:
        host.check_output(f"install -d -o xteam -g xteam -m 750 {home}")
        host.check_output(f"cd {home}; for i in $(seq 300); do echo $i > $i; done; chown -R xteam: {home}")
        host.check_output("xteam-files backup")
        keeper.check_output("systemctl start xteam-files-record.service")
        before = _ids(keeper, ledger)
        dates = [now + timedelta(hours=number if number % 2 else 0) for number in range(EMPTY)]
        words = " ".join(f"'{one:%Y-%m-%d %H:%M:%S}'" for one in dates)
        host.check_output(f"unshare --mount sh -c {shlex.quote(SEND_NOTHING)} sh {words}", timeout=900)
        keeper.check_output("systemctl start xteam-files-keep.service", timeout=900)
        kept = _ids(keeper, ledger)
        nothing_displaced(before, kept, EMPTY)
        told = keeper.check_output(f"cat {METRICS_DIRECTORY}/xteam-files_kept.prom")
        assert f'xteam_files_kept_held{{host="{host.name}"}} 1' in told, "nobody is told that the files have shrunk"
        assert f'xteam_files_kept_refused{{host="{host.name}"}} 0' not in told, "dates ahead are believed"
        figures |= {"before": len(before), "sent": EMPTY, "kept": len(kept)}
        listed = book.run("look", keeper)
        sent = [line.split()[2] for line in listed.splitlines() if re.match(rf"{host.name} +here ", line)]
        new = [one for one in sent if not any(old.startswith(one) for old in before)]
        book.run("drop", keeper, HOST=host.name, SNAPSHOT=" ".join(new))
        book.run("sizes", keeper)
        book.run("make-room", keeper, HOST=host.name)
        book.run("accept", keeper, HOST=host.name)
        keeper.check_output("systemctl start xteam-files-keep.service", timeout=900)
        assert before & _ids(keeper, ledger), "nothing is left"
        figures["held_afterwards"] = int(json.loads(keeper.check_output(f"cat {ledger}"))["held"] != "")
        host.check_output(f"rm -r {home}/1; xteam-files restore latest")
        assert host.check_output(f"cat {home}/1") == "1", "the file did not come back"
    finally:
        host.run(f"rm -rf {home}; xteam-files backup")
        keeper.run(f"xteam-files-keep accept {host.name}")


def _ids(keeper, ledger):
    return {one["id"] for one in json.loads(keeper.check_output(f"cat {ledger}"))["arrivals"]}


# What an intruder on an API host does with the host's own certificate: junk of 1 MB under its true name, until refused.
SEND_JUNK = """
set -u
gate=$(sed -n 's/^export RESTIC_REPOSITORY=rest:\\(.*[^/]\\)\\/*$/\\1/p' /usr/local/sbin/xteam-files)
for i in $(seq COUNT); do
    head -c 1000000 /dev/urandom > "$1/junk"
    name=$(sha256sum < "$1/junk" | cut -d ' ' -f 1)
    said=$(curl -s -o /dev/null -w '%{http_code}' --http1.1 --cacert CA --cert CERT -X POST \\
        --data-binary @"$1/junk" "$gate/data/$name")
    [ "$said" = 200 ] || { echo "$said after $i"; exit 0; }
done
echo "nothing refused"
"""
ROOM_MB = 100


@pytest.mark.item("BAK-03")
def test_flood_of_objects_from_api_host_leaves_disk_free(host, machine, hosts, estate, deploys, figures, eventually):
    """It sends junk until it is refused: no more than the room is taken, PostgreSQL's backups go on, nothing is gone.
    Then what belongs to no backup is removed, and backups of files are taken again."""
    if not estate.members("backup"):
        not_applicable("no backup host in the inventory")
    keeper, path = hosts.group("backup")[0], estate.files.files_backup_path
    place = host.check_output("mktemp -d")
    junk = SEND_JUNK.replace("COUNT", str(2 * ROOM_MB)).replace("CERT", client_certificate(machine).crt)
    try:
        deploys.good("files", files_backup_max_mb=ROOM_MB)
        before = _ids(keeper, f"/var/lib/xteam/files/ledger/{host.name}.json")
        said = host.check_output(f"bash -c {shlex.quote(junk.replace('CA', CA))} sh {place}", timeout=900)
        assert said.startswith("507 after"), f"the junk was not refused: {said}"
        stored = int(keeper.check_output(f"du -sm --apparent-size {path}").split()[0])
        assert stored <= ROOM_MB, f"{stored} MiB are stored, and {ROOM_MB} were allowed"
        figures |= {"room_mb": ROOM_MB, "stored_mb": stored, "refused_after_objects": int(said.split()[-1])}
        if estate.members("postgres"):
            keeper.check_output("systemctl start xteam-backup@check.service", timeout=300)
        keeper.check_output(f"xteam-files-keep drop {host.name}", timeout=600)
        host.check_output("xteam-files backup", timeout=300)
        keeper.check_output("systemctl start xteam-files-record.service")
        assert before <= _ids(keeper, f"/var/lib/xteam/files/ledger/{host.name}.json"), "backups are gone"
    finally:
        host.run(f"rm -rf {place}")
        keeper.run(f"xteam-files-keep drop {host.name}", timeout=600)
        deploys.good("files")

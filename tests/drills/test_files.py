"""Drill on users' files: one is lost on its host, and comes back from the backup host; the others stay as they are."""

import json
from uuid import uuid4

import pytest

from checklist.run import not_applicable

pytestmark = pytest.mark.group("app", first=True)
UPLOADS = "/srv/xteam/uploads"


@pytest.mark.item("BAK-03")
def test_a_lost_file_comes_back(host, estate, figures, runbook):
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
def test_lost_backups_come_back_from_the_bucket(host, hosts, estate, figures, runbook):
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

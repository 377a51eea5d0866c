"""Backups of what users stored: recent, proved, and out of reach for the hosts that send them."""

import json
import re
from datetime import datetime

import pytest
from ages import seconds_since

from checklist.run import not_applicable
from checklist.waiting import eventually
from xteam_infra.layers.files.needs import (
    PREFIX,
    PROXY_PORT,
    SENDS,
    SERVER_PORT,
    client_certificate,
    kept_by,
    room_mb,
    timer,
)
from xteam_infra.plan.needs import CA_PATH, METRICS_DIRECTORY

sender = pytest.mark.group("app")
keeps = pytest.mark.group("backup")
METRICS = METRICS_DIRECTORY
CA = CA_PATH


@pytest.fixture
def senders(estate):
    """The hosts whose files are kept."""
    if not estate.members("app"):
        not_applicable("no API host in the inventory")
    return [one.name for one in estate.members("app")]


@pytest.fixture
def in_bucket(estate):
    """There is a copy."""
    if not estate.backup.bucket:
        not_applicable("backup_s3_bucket is not set: there is no copy")


@pytest.fixture
def keeper(estate):
    """The host that keeps them."""
    if not estate.members("backup"):
        not_applicable("no backup host in the inventory")
    return estate.members("backup")[0]


@pytest.fixture
def at_the_proxy(host, machine, estate, keeper):
    """The status of a request at the proxy, shown this host's certificate; "000" when another proof gets no answer."""
    own = f"--cert {client_certificate(machine).crt}"

    def ask(path, *options, proof=own):
        url = f"https://{estate.fqdn(keeper.name)}:{PROXY_PORT}{path}"
        words = ["curl -s -o /dev/null -w '%{http_code}' -m 10 --path-as-is --cacert", CA, proof, *options, f"'{url}'"]

        def answer():
            said = host.run(" ".join(words)).stdout
            assert proof != own or said != "000", f"{path}: the proxy gives no answer"
            return said

        # A source may have 32 connections at the proxy; other checks of this host use them up for a moment.
        return eventually(answer, seconds=20, interval=1)

    return ask


@pytest.fixture
def kept(host):
    """Of what is kept on this host and in the bucket, by sender and place: when each that counts arrived."""
    found = {}
    for line in host.check_output("xteam-files-keep list").splitlines():
        sender, where, _, moment, _, _, *refused = line.split(maxsplit=6)
        if not refused:
            found.setdefault((sender, where), []).append(datetime.fromisoformat(f"{moment}+00:00").timestamp())
    return found


@keeps
@pytest.mark.item("BAK-03")
def test_backups_of_files_are_recent(estate, senders, kept):
    """By when they arrived on the backup host, whatever their senders say."""
    for name in senders:
        assert kept.get((name, "here")), f"no backup of {name} counts"
        age = seconds_since(kept[name, "here"][-1]) / 60
        assert age <= estate.files.files_backup_max_age_minutes, f"{name}'s newest backup is {age:.0f} minutes old"


@keeps
@pytest.mark.item("BAK-03")
def test_backup_arrivals_are_recorded_out_of_reach_of_senders(host, senders):
    """Root's alone: neither the server that takes backups, nor whoever sends them, can change when one arrived."""
    for name in senders:
        ledger = host.file(f"/var/lib/xteam/files/ledger/{name}.json")
        assert ledger.exists, f"nobody notes when backups of {name} arrive"
        assert (ledger.user, ledger.mode) == ("root", 0o600), f"{ledger.user} may write the ledger of {name}"
        last = json.loads(ledger.content_string)["arrivals"][-1]
        assert seconds_since(last["arrived"]) >= -1
    server = host.check_output("systemctl show -p User --value restic-rest-server.service")
    assert server not in ("", "root"), "the server of the backups runs as root"


@sender
@pytest.mark.item("BAK-03")
@pytest.mark.parametrize("job", SENDS)
def test_files_are_backed_up_by_a_timer(host, keeper, job):
    assert host.service(timer(job)).is_running, f"{timer(job)} does not run"
    result = host.check_output(f"systemctl show --property Result --value xteam-files-{job}.service")
    assert result == "success", f"the last {job} ended with {result}"


@keeps
@pytest.mark.item("BAK-03", "LAW-02")
@pytest.mark.parametrize("job", ["record", "keep", "copy", "prove-copy"])
def test_file_backup_server_jobs_run_by_timers(host, estate, senders, job):
    """Expired ones are removed; with a bucket they are copied there, and the copies proved."""
    if job not in kept_by(estate):
        not_applicable("backup_s3_bucket is not set: there is no copy")
    assert host.service(timer(job)).is_running, f"{timer(job)} does not run"
    result = host.check_output(f"systemctl show --property Result --value xteam-files-{job}.service")
    assert result == "success", f"the last {job} ended with {result}"


@keeps
@pytest.mark.item("BAK-03")
def test_copies_of_files_are_recent(estate, senders, in_bucket, kept):
    """By what is in the bucket, of every host that sends."""
    for name in senders:
        assert kept.get((name, "bucket")), f"nothing of {name} is in the bucket"
        age = seconds_since(kept[name, "bucket"][-1]) / 60
        assert age <= estate.files.files_backup_s3_max_age_minutes, f"the newest copy of {name} is {age:.0f} min. old"


@keeps
@pytest.mark.item("BAK-03", kind="drill")
def test_last_restore_test_of_file_copies_was_good(host, estate, senders, in_bucket):
    """Of every host, from the bucket, each byte, not long ago."""
    for name in senders:
        proof = json.loads(host.check_output(f"cat /var/lib/xteam/files/{name}.copy-proof.json"))
        days = seconds_since(proof["completed"]) / 86400
        assert days <= estate.files.files_backup_restore_test_max_age_days, (
            f"{name}: the last proof was {days:.0f} days ago"
        )


@keeps
@pytest.mark.item("BAK-03", "BAK-06", kind="cloud")
def test_file_backup_copies_are_locked_in_bucket(estate, senders, in_bucket, s3):
    """Asked of S3: the newest objects of each kind are locked versions, and no upload can be read in them."""
    bucket, mode = {"Bucket": estate.backup.backup_s3_bucket}, estate.backup.backup_s3_lock_mode
    for name in senders:
        pages = s3.get_paginator("list_object_versions").paginate(**bucket, Prefix=f"{PREFIX}/{name}/")
        found = [one for page in pages for one in page.get("Versions", [])]
        for kind in ("snapshots", "data", "index"):
            of_kind = [one for one in found if one["Key"].startswith(f"{PREFIX}/{name}/{kind}/")]
            assert of_kind, f"{name} has no {kind} in the bucket"
            newest = max(of_kind, key=lambda one: one["LastModified"])
            got = s3.get_object(**bucket, Key=newest["Key"], VersionId=newest["VersionId"])
            assert got.get("ObjectLockMode") == mode, f"{newest['Key']} is not locked"


@keeps
@pytest.mark.item("BAK-03")
def test_backup_host_alone_has_keys_of_file_backup_copies(host, hosts, estate, senders, in_bucket, secret):
    """With passwords of their own: a host that sends can read its backups, and not the copies."""
    for name in (*(f"{one}.copy.pass" for one in senders), "s3.credentials"):
        found = host.file(f"/etc/xteam/files/{name}")
        assert (found.user, found.mode & 0o077) == ("root", 0), f"others can read {name}"
    for sender in hosts.group("app"):
        copy, own = secret(f"files/{sender.name}/copy-cipher"), secret(f"files/{sender.name}/cipher")
        assert copy != own, f"one password opens the backups of {sender.name} and their copies"
        if sender.name != host.name:
            wanted = f"{copy}\n{secret(estate.backup.backup_s3_key.name)}"
            left = sender.run_with_stdin("grep -rlsF -f - /etc/xteam /var/lib/xteam", wanted).stdout
            assert not left, f"{sender.name} holds what opens a copy: {left}"


@sender
@pytest.mark.item("BAK-03", kind="drill")
def test_last_file_restore_test_was_good(host, estate, keeper):
    """The newest backup was restored beside the files, and each byte compared, not long ago."""
    proof = json.loads(host.check_output("cat /var/lib/xteam/files/proof.json"))
    days = seconds_since(proof["completed"]) / 86400
    assert days <= estate.files.files_backup_restore_test_max_age_days, f"the last proof was {days:.0f} days ago"


@sender
def test_no_sender_can_delete_backups(host, machine, at_the_proxy):
    """Nor change one: the server behind the proxy only adds."""
    listed = json.loads(host.check_output("xteam-files list --json"))
    newest = listed[-1]["id"]
    path = f"/{machine.name}/snapshots/{newest}"
    assert at_the_proxy(path) == "200", "the host does not see its own backup, so this check proves nothing"
    assert at_the_proxy(path, "-X DELETE") == "403", "a host can delete its backups"
    assert at_the_proxy(path, "-X POST --data-binary x") == "403", "a host can overwrite its backups"
    left = [one["id"] for one in json.loads(host.check_output("xteam-files list --json"))]
    assert newest in left, f"the backup {newest} is gone"


@sender
def test_mtls_proxy_confines_each_host_to_its_repository(host, machine, at_the_proxy):
    """By its certificate; in whatever way another's name is written."""
    assert at_the_proxy(f"/{machine.name}/config") == "200", "the host does not get to its own"
    for path in ("/other/config", f"/{machine.name}/../other/config", "//other/config", f"/{machine.name}%2f../config"):
        assert at_the_proxy(path) == "403", f"{path} answers {at_the_proxy(path)}"
    assert at_the_proxy(f"/{machine.name}/config", proof="") == "000", "the proxy asks for no certificate"


@sender
@pytest.mark.item("BAK-03")
def test_no_sender_fills_the_disk(host, machine, hosts, estate, at_the_proxy):
    """What would be more than the room of all backups of files is refused before it is taken."""
    path, keeper = estate.files.files_backup_path, hosts.group("backup")[0]
    disk_mb = int(keeper.check_output(f"df -Pm {path}").splitlines()[1].split()[1])
    more = (room_mb(estate, disk_mb) + 1) * 1024**2
    junk = f"/{machine.name}/data/{'0' * 64}"
    assert at_the_proxy(junk, "-X POST --data-binary x") == "400", "nothing is taken, so this check proves nothing"
    # Version 1: an answer in the middle of what is sent is none for curl in version 2.
    post = "--http1.1 -X POST --data-binary x"
    said = at_the_proxy(junk, f"{post} -H 'Content-Length: {more}'")
    assert said == "507", f"{more} bytes are taken of one host: {said}"
    for size in (f"-H 'Content-Length: {more}'", "-H 'Transfer-Encoding: chunked'"):
        said = at_the_proxy(f"/{machine.name}/config", f"{post} {size}")
        assert said == "413", f"a repository's config of any size is taken: {said}"


@sender
def test_the_application_s_key_opens_no_repository(host, machine, at_the_proxy):
    """Its process can read that key; it can neither read nor fill the backups of its host."""
    key = "--cert /etc/xteam/pki/api.crt --key /etc/xteam/pki/api.key"
    assert at_the_proxy(f"/{machine.name}/config", proof=key) in ("000", "403"), "the application's key opens the proxy"
    sent = at_the_proxy(f"/{machine.name}/data/{'0' * 64}", "-X POST --data-binary junk", proof=key)
    assert sent in ("000", "403"), f"the application writes into the backups: {sent}"


@pytest.mark.group("backup")
def test_file_backup_server_listens_on_loopback_only(host, estate):
    if not estate.members("app"):
        not_applicable("no API host in the inventory")
    listening = host.check_output(f"ss -Hltn sport = :{SERVER_PORT}").split()
    assert listening and listening[3] == f"127.0.0.1:{SERVER_PORT}", f"it listens on {listening[3:4]}"
    path = estate.files.files_backup_path
    for one in estate.members("app"):
        assert host.run(f"runuser -u nobody -- ls {path}/{one.name}").rc != 0, f"anybody reads {path}"


def figures(host, name):
    """{figure with its labels: its value}, as a program with no rights reads them."""
    text = host.check_output(f"runuser -u nobody -- cat {METRICS}/{name}.prom")
    return {one: float(value) for one, value in re.findall(r"^(xteam_files_\S+) (\S+)$", text, re.MULTILINE)}


@sender
@pytest.mark.parametrize("job", SENDS)
def test_file_backup_metrics_are_exported(host, estate, keeper, job, eventually):
    """For the node exporter, which is nobody in particular: when it last succeeded, as this host has it."""

    def same():
        told = figures(host, "xteam-files").get(f"xteam_files_{job}_success_timestamp_seconds")
        assert told == float(host.check_output(f"cat /var/lib/xteam/files/{job}")), f"{job}: the figure is {told}"
        return True

    eventually(same, seconds=10)  # the job may have ended between the two


@keeps
def test_file_copy_metrics_are_exported(host, estate, senders, in_bucket):
    """For the node exporter, of every host: the newest copy's time, and when it was copied and proved."""
    told = figures(host, "xteam-files_keep")
    for name in senders:
        for figure in ("snapshot", "success", "prove_success"):
            assert f'xteam_files_copy_{figure}_timestamp_seconds{{host="{name}"}}' in told, f"{name} has no {figure}"


@keeps
def test_file_arrival_metrics_are_exported(host, senders):
    """For the node exporter, of every host: when its newest backup that counts arrived, and whether expiry is held."""
    told = figures(host, "xteam-files_kept")
    for name in senders:
        for figure in ("arrival_timestamp_seconds", "snapshots", "refused", "files", "bytes", "held"):
            assert f'xteam_files_kept_{figure}{{host="{name}"}}' in told, f"{name} has no {figure}"
        seconds_since(told[f'xteam_files_kept_arrival_timestamp_seconds{{host="{name}"}}'])

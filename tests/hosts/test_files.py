"""Backups of what users stored: recent, proved, and out of reach for the hosts that send them."""

import json
import time

import pytest

from checklist.run import not_applicable
from xteam_infra.plan.files import GATE_PORT, KEEPS, SENDS, SERVER_PORT, client_certificate, timer

sender = pytest.mark.group("app")
CA = "/etc/xteam/pki/ca.crt"


@pytest.fixture
def keeper(estate):
    """The host that keeps them."""
    if not estate.members("backup"):
        not_applicable("no backup host in the inventory")
    return estate.members("backup")[0]


@pytest.fixture
def at_the_gate(host, machine, estate, keeper):
    """The status of a request at the gate, shown this host's certificate; "000" when it gets in to nothing."""
    certificate = client_certificate(estate, machine).crt

    def ask(path, *options, proof=f"--cert {certificate}"):
        url = f"https://{estate.fqdn(keeper.name)}:{GATE_PORT}{path}"
        words = ["curl -s -o /dev/null -w '%{http_code}' -m 10 --path-as-is --cacert", CA, proof, *options, f"'{url}'"]
        return host.run(" ".join(words)).stdout

    return ask


@sender
@pytest.mark.item("BAK-03")
def test_backups_of_files_are_recent(host, estate, keeper):
    """By what the backup host has, not by what this one believes."""
    listed = json.loads(host.check_output("xteam-files list --json"))
    assert listed, "nothing was ever backed up"
    taken = listed[-1]["time"].partition(".")[0].removesuffix("Z")
    age = (time.time() - float(host.check_output(f"date -d '{taken}' +%s"))) / 60
    assert age <= estate.files.files_backup_max_age_minutes, f"the newest backup is {age:.0f} minutes old"
    assert {"/srv/xteam/uploads", "/srv/xteam/workspaces"} <= set(listed[-1]["paths"]), f"it has {listed[-1]['paths']}"


@sender
@pytest.mark.item("BAK-03")
@pytest.mark.parametrize("job", SENDS)
def test_files_are_backed_up_by_a_timer(host, keeper, job):
    assert host.service(timer(job)).is_running, f"{timer(job)} does not run"
    result = host.check_output(f"systemctl show --property Result --value xteam-files-{job}.service")
    assert result == "success", f"the last {job} ended with {result}"


@pytest.mark.group("backup")
@pytest.mark.item("BAK-03", "LAW-02")
@pytest.mark.parametrize("job", KEEPS)
def test_expired_backups_of_files_are_removed_by_a_timer(host, estate, job):
    if not estate.members("app"):
        not_applicable("no API host in the inventory")
    assert host.service(timer(job)).is_running, f"{timer(job)} does not run"
    result = host.check_output(f"systemctl show --property Result --value xteam-files-{job}.service")
    assert result == "success", f"the last {job} ended with {result}"


@sender
@pytest.mark.item("BAK-03", kind="drill")
def test_files_were_restored_and_compared(host, estate, keeper):
    """The newest backup was restored beside the files, and each byte compared, not long ago."""
    proof = json.loads(host.check_output("cat /var/lib/xteam/files/proof.json"))
    days = (time.time() - proof["completed"]) / 86400
    assert days <= estate.files.files_backup_prove_max_age_days, f"the last proof was {days:.0f} days ago"


@sender
def test_no_sender_can_delete_backups(host, machine, at_the_gate):
    """Nor change one: the server behind the gate only adds."""
    listed = json.loads(host.check_output("xteam-files list --json"))
    path = f"/{machine.name}/snapshots/{listed[-1]['id']}"
    assert at_the_gate(path) == "200", "the host does not see its own backup, so this check proves nothing"
    assert at_the_gate(path, "-X DELETE") == "403", "a host can delete its backups"
    assert at_the_gate(path, "-X POST --data-binary x") == "403", "a host can overwrite its backups"
    assert json.loads(host.check_output("xteam-files list --json"))[-1]["id"] == listed[-1]["id"]


@sender
def test_the_gate_lets_each_host_to_its_own(host, machine, at_the_gate):
    """By its certificate; in whatever way another's name is written."""
    assert at_the_gate(f"/{machine.name}/config") == "200", "the host does not get to its own"
    for path in ("/other/config", f"/{machine.name}/../other/config", "//other/config", f"/{machine.name}%2f../config"):
        assert at_the_gate(path) == "403", f"{path} answers {at_the_gate(path)}"
    assert at_the_gate(f"/{machine.name}/config", proof="") == "000", "the gate asks for no certificate"


@pytest.mark.group("backup")
def test_the_server_behind_the_gate_is_for_its_own_host(host, estate):
    if not estate.members("app"):
        not_applicable("no API host in the inventory")
    listening = host.check_output(f"ss -Hltn sport = :{SERVER_PORT}").split()
    assert listening and listening[3] == f"127.0.0.1:{SERVER_PORT}", f"it listens on {listening[3:4]}"
    path = estate.files.files_backup_path
    for one in estate.members("app"):
        assert host.run(f"runuser -u nobody -- ls {path}/{one.name}").rc != 0, f"anybody reads {path}"

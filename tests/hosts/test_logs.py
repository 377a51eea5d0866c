"""The logs layer: what is logged on any host is found in the collector, and nobody else gets in."""

import json
import time
from uuid import uuid4

import pytest

from xteam_infra.plan.needs import CA_PATH

COLLECTED = "journalctl --directory /var/log/journal/remote --output json --no-pager"


@pytest.fixture
def collector(hosts):
    return hosts.group("logs")[0]


def collected(collector, mark: str, *matches: str) -> list[dict]:
    """The newest entries the collector holds for these field matches, with a mark in their message."""
    lines = collector.run(f"{COLLECTED} --since -5min --grep {mark} {' '.join(matches)}").stdout.splitlines()
    return [json.loads(line) for line in lines]


@pytest.mark.item("INF-07", "MON-10")
def test_json_log_line_reaches_collector_with_its_fields(host, collector, eventually):
    """Logged now on this host, found in the collector by a field of the journal and readable as JSON."""
    request_id = str(uuid4())
    line = json.dumps({"level": "info", "message": "verification", "request_id": request_id})
    host.run("logger --tag xteam-verify -- %s", line)

    def arrived() -> list[dict]:
        found = collected(collector, request_id, "SYSLOG_IDENTIFIER=xteam-verify", f"_HOSTNAME={host.name}")
        assert found, "a line logged on this host did not reach the collector"
        return found

    entries = eventually(arrived, seconds=60)
    assert json.loads(entries[0]["MESSAGE"])["request_id"] == request_id


@pytest.mark.item("LAW-03")
def test_sudo_command_is_logged_in_collector(host, collector, eventually):
    """Whoever uses sudo is on record on another host, where root of this host can't delete it."""
    marker = f"/nonexistent/{uuid4()}"
    host.run("sudo --user=nobody ls %s", marker)

    def recorded() -> list[dict]:
        # Not by _COMM: journald looks that up in /proc, where a short command may be gone. Only root is _UID=0.
        found = collected(collector, marker, "SYSLOG_IDENTIFIER=sudo", "_UID=0", f"_HOSTNAME={host.name}")
        assert found, "an act through sudo did not reach the collector"
        return found

    eventually(recorded, seconds=60)


@pytest.mark.item("INF-07")
@pytest.mark.group("logs")
def test_collector_refuses_unknown_certificates(host, estate):
    """Without a certificate of the internal CA nothing can be sent or read."""
    url = f"https://{estate.fqdn(host.name)}:{estate.logs.logs_port}/upload"
    answer = host.run(
        "curl --silent --insecure --max-time 5 --request POST --data x --write-out '%%{http_code}' %s", url
    )
    assert answer.rc != 0 and answer.stdout.strip() in ("", "000"), (
        f"the collector answered a stranger: {answer.stdout}"
    )
    known = "--cert /etc/xteam/pki/journal-upload.crt --key /etc/xteam/pki/journal-upload.key"
    answer = host.run(
        f"curl --silent --insecure --max-time 5 {known} --write-out '%%{{http_code}}' --output /dev/null %s", url
    )
    assert answer.rc == 0, f"the collector refuses a member of the estate: {answer.stderr}"


def forge(host, estate, collector, name, certificate):
    """Send the collector a line that says it was logged on another host by root; its text and what curl says."""
    mark = str(uuid4())
    fields = (
        f"__REALTIME_TIMESTAMP={time.time_ns() // 1000}",
        "__MONOTONIC_TIMESTAMP=1",
        f"_BOOT_ID={uuid4().hex}",
        f"_HOSTNAME={name}",
        "_UID=0",
        f"MESSAGE=xteam-verify: forged by a check on {host.name}: {mark}",
    )
    url = f"https://{estate.fqdn(collector.name)}:{estate.logs.logs_port}/upload"
    send = (
        f"curl --silent --show-error --max-time 10 --cacert {CA_PATH} --cert {certificate}.crt "
        f"--key {certificate}.key --header 'Content-Type: application/vnd.fdo.journal' --data-binary @- {url}"
    )
    return mark, host.run_with_stdin(send, "\n".join(fields) + "\n\n")


@pytest.mark.item("LAW-03")
def test_collector_takes_sender_name_from_certificate(host, estate, collector, eventually):
    """Whatever a line says of itself, it is kept among those of the host whose certificate sent it."""
    other = next((one.name for one in estate.machines if one.name != host.name), "db1")
    mark, said = forge(host, estate, collector, other, "/etc/xteam/pki/journal-upload")
    assert said.rc == 0, f"the collector refuses a sender: {said.stderr}"
    found = f"journalctl --no-pager --quiet --output cat --since -5min --grep {mark} --directory"

    def kept():
        assert mark in collector.run(f"{found} /var/log/journal/remote/{host.name}").stdout, "the line did not arrive"
        return True

    eventually(kept, seconds=30)
    for one in estate.machines:
        if one.name != host.name:
            wrong = collector.run(f"{found} /var/log/journal/remote/{one.name}").stdout
            assert mark not in wrong, f"{host.name} has written among the lines of {one.name}"


@pytest.mark.item("LAW-03")
@pytest.mark.group("app")
def test_collector_refuses_application_certificate(host, estate, collector):
    """What a process of the application can read sends no line in anybody's name."""
    _, said = forge(host, estate, collector, "db1", "/etc/xteam/pki/api")
    assert said.rc != 0, f"the collector takes a line sent with the application's key: {said.stdout}"


@pytest.mark.item("LAW-02")
@pytest.mark.group("logs")
def test_collected_logs_are_deleted_in_time(host, estate):
    timer = host.service("xteam-logs-retention.timer")
    assert timer.is_running and timer.is_enabled, "nothing deletes old logs"
    command = host.check_output("systemctl show --property ExecStart --value xteam-logs-retention.service")
    assert f"--vacuum-time={estate.logs.logs_retention_days}days" in command, "logs are not deleted when promised"
    result = host.check_output("systemctl show --property Result --value xteam-logs-retention.service")
    assert result == "success", f"the last deletion ended with {result}"


@pytest.mark.item("LAW-02")
def test_local_logs_are_deleted_in_time(host, estate):
    settings = host.check_output("systemd-analyze cat-config systemd/journald.conf")
    assert f"\nMaxRetentionSec={estate.base.journal_retention_days}day" in settings, "local logs are kept too long"


@pytest.mark.group("logs")
def test_journal_gateway_is_masked(host):
    state = host.run("systemctl is-enabled systemd-journal-gatewayd.socket").stdout.strip()
    assert state == "masked", f"systemd-journal-gatewayd.socket is {state}: it serves the journal to anyone"

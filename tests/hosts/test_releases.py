"""Releases on the hosts: one instance serves each host, and a user gets through it and through every edge.

And leaves no errors in the logs: neither did the instance before it got its first request.
"""

import json

import pytest
from xteam_client import serving

from xteam_infra.layers.app.needs import API_UNIT, COLOURS, SWITCHED

# Of the instances of the API, test_orchestration starts and kills the other one.
pytestmark = pytest.mark.serial("instances")


@pytest.mark.group("app")
def test_exactly_one_api_instance_serves(host):
    """It starts at boot and gets requests; the other one does neither. A half-done roll would show here."""
    states = {}
    for colour in COLOURS:
        unit = f"xteam-api@{colour}.service"
        words = host.check_output(f"systemctl show -p ActiveState -p UnitFileState --value {unit}").split()
        drained = host.run(f"test -e /run/xteam-switch/{colour}").rc == 0
        states[colour] = f"{' '.join(words)}{' drained' if drained else ''}"
    assert sorted(states.values()) in (["active enabled", "inactive"], ["active enabled", "inactive disabled"]), states


@pytest.mark.group("app")
def test_every_process_runs_the_release_in_use(host, estate):
    """The API and the link agree; the workers' processes are asked by the celery layer's checks."""
    unit, _ = serving(host, estate)
    in_use = host.check_output("readlink /opt/xteam/current").rpartition("/")[2]
    pid = host.check_output(f"systemctl show --property MainPID --value {unit}").strip()
    served = host.check_output(f"tr '\\0' '\\n' < /proc/{pid}/environ | sed -n 's/^RELEASE=//p'").strip().strip('"')
    assert served == in_use, f"the API serves {served}, in use is {in_use}"


@pytest.mark.group("app")
@pytest.mark.item("POST-03", "CI-11")
def test_smoke_test_passes_through_each_instance(host, estate):
    """Log in, have a task done, talk, keep a file, log out: at the instance itself."""
    _, port = serving(host, estate)
    use(host, f"{host.address}:{port} --server-name {estate.fqdn(host.machine.name)}")


@pytest.mark.group("edge")
@pytest.mark.item("POST-03", "CI-11")
def test_smoke_test_passes_through_each_edge(host, hosts):
    """The same from outside, by the public name."""
    use(hosts.group("app")[0], f"{host.address}:443")


def use(host, where):
    """The ids of a user's requests."""
    said = host.run(f"xteam-smoke --ids --connect {where}", timeout=180)
    assert said.rc == 0, said.stderr.strip()[-1000:]
    return said.stdout.splitlines()[-1].removeprefix("requests: ").split()


# --- Errors in the logs

# Levels of the lines that say so themselves.
ERRORS = {"ERROR", "CRITICAL", "FATAL"}


@pytest.fixture
def quiet(hosts, eventually):
    """See that no tier has logged an error about these requests: `quiet(ids)`."""

    def logged(machines, unit, names):
        asked = " ".join(f"-e {name}" for name in names)
        look = f"journalctl --no-pager --quiet --since -5min --output cat --unit '{unit}' | grep -F {asked}"
        lines = [line for said in hosts.at_once(machines, look).values() for line in said.stdout.splitlines()]
        assert lines, f"no line of {unit} is about these requests"
        return [json.loads(line) for line in lines]

    def check(names):
        assert len(names) > 5 and all(len(name) > 20 for name in names), f"these are no request ids: {names}"
        for group, unit in (("app", API_UNIT), ("worker", "xteam-worker@*.service")):
            machines = hosts.group(group)
            lines = eventually(lambda m=machines, u=unit: logged(m, u, names), seconds=20) if machines else []
            wrong = [
                f"{line['message'][:200]} (request {line['request_id']})" for line in lines if line["level"] in ERRORS
            ]
            assert not wrong, f"{unit} has logged {len(wrong)} errors about a user's requests, the first: {wrong[0]}"

    return check


@pytest.mark.group("app")
@pytest.mark.item("POST-02")
def test_smoke_test_of_each_instance_logs_no_errors(host, estate, quiet):
    _, port = serving(host, estate)
    quiet(use(host, f"{host.address}:{port} --server-name {estate.fqdn(host.machine.name)}"))


@pytest.mark.group("edge")
@pytest.mark.item("POST-02")
def test_smoke_test_of_each_edge_logs_no_errors(host, hosts, quiet):
    quiet(use(hosts.group("app")[0], f"{host.address}:443"))


@pytest.mark.group("app")
@pytest.mark.item("POST-02")
def test_the_deployed_instance_logged_no_errors(host, estate):
    """From its start until requests were sent to it: what the deploy itself has looked at, read from the journal."""
    noted = host.run(f"cat {SWITCHED}")
    assert noted.rc == 0, f"{SWITCHED} is not there: no release was put in use since xteam-switch looks into logs"
    rolled = json.loads(noted.stdout)
    look = (
        f"journalctl --no-pager --quiet --output json --output-fields MESSAGE,PRIORITY --until @{rolled['until']:.0f}"
    )
    said = host.check_output(f"{look} _SYSTEMD_INVOCATION_ID={rolled['invocation']}")
    wrong = [text for text in map(error_in, map(json.loads, said.splitlines())) if text]
    allowed = estate.app.release_log_errors_allowed
    assert len(wrong) <= allowed, f"{rolled['release']} logged {len(wrong)} errors before it served: {wrong[0][:200]}"


def error_in(entry):
    """The message of an entry of the journal that is an error."""
    text = str(entry.get("MESSAGE"))
    try:
        line = json.loads(text)
        return line["message"] if line["level"] in ERRORS else ""
    except (ValueError, TypeError, KeyError):
        return text if text.startswith("Traceback") or int(entry.get("PRIORITY", 6)) <= 3 else ""


@pytest.mark.group("app")
@pytest.mark.item("DB-04")
def test_migrations_have_one_head_and_a_downgrade(host):
    said = host.run("xteam-migrate verify")
    assert said.rc == 0, said.stderr.strip()

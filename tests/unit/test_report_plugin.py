"""The pytest plugin as its user meets it. The only machine is one that can't be reached."""

import json

import pytest

from checklist import catalogue, inventory
from checklist import estate as estate_module
from checklist.inventory import Machine

pytest_plugins = ["pytester"]

CHECK = """
import pytest
from checklist.run import not_applicable

@pytest.mark.item({items})
@pytest.mark.group({group})
def test_it({fixtures}):
    {body}
"""


def write_check(pytester, items='"RED-03"', group='"redis"', fixtures="machine", body="pass"):
    pytester.makepyfile(CHECK.format(items=items, group=group, fixtures=fixtures, body=body))


@pytest.fixture
def run(pytester, monkeypatch):
    """Runs pytest with the plugin over two machines that refuse connections."""
    known_hosts = pytester.path / "known_hosts"
    known_hosts.write_text("")
    machines = tuple(
        Machine(name, "127.0.0.1", "a", groups, "127.0.0.1", "root", 1, "", str(known_hosts))
        for name, groups in (("redis1", ("redis",)), ("redis2", ("redis",)), ("app1", ("app",)))
    )
    monkeypatch.setattr(inventory, "PREREAD", [machines])
    monkeypatch.setattr(estate_module, "PREREAD", ["{}"])

    def run(*arguments, inventory=True):
        given = ["--inventory", "inventories/lab.py"] if inventory else []
        plugins = ["-p", "no:pytest11.testinfra", "-p", "checklist.plugin", "-p", "no:cacheprovider"]
        return pytester.runpytest_inprocess(*plugins, *given, *arguments)

    return run


def item(pytester, identifier):
    report = json.loads((pytester.path / "build/report/checklist.json").read_text())
    assert report["schema"] == 1
    assert len(report["items"]) == len(catalogue.load())
    return next(entry for entry in report["items"] if entry["id"] == identifier)


def test_a_check_runs_on_every_machine_of_its_group(pytester, run):
    write_check(pytester)
    result = run()
    result.assert_outcomes(passed=2)
    assert result.ret == 0
    found = item(pytester, "RED-03")
    assert found["status"] == "passed"
    assert [check["host"] for check in found["checks"]] == ["redis1", "redis2"]
    assert (pytester.path / "build/report/checklist.html").exists()
    count = len(catalogue.load())
    result.stdout.fnmatch_lines([f"1 passed, {count - 1} not-verified, of {count}*"])


def test_parameters_of_the_test_stay_in_its_name(pytester, run):
    pytester.makepyfile(
        """
        import pytest

        @pytest.mark.item("RED-03", kind="drill")
        @pytest.mark.parametrize("role", ["queue", "cache"])
        def test_it(machine, role): pass
        """
    )
    run("--limit", "redis1")
    checks = item(pytester, "RED-03")["checks"]
    assert sorted(check["name"].partition("::")[2] for check in checks) == ["test_it[cache]", "test_it[queue]"]
    assert {check["kind"] for check in checks} == {"drill"}


def test_first_means_one_machine(pytester, run):
    write_check(pytester, group='"redis", "app", first=True')
    run().assert_outcomes(passed=1)


def test_an_assertion_makes_failed(pytester, run):
    write_check(pytester, body="assert machine.name == 'redis1', 'it answers anyone'")
    assert run().ret == 1
    assert item(pytester, "RED-03")["status"] == "failed"
    assert item(pytester, "RED-03")["reason"].startswith("redis2: it answers anyone")


@pytest.mark.parametrize("body", ["host.run('true')", "raise KeyError('x')", "json.loads('')"])
def test_whatever_else_goes_wrong_is_an_error_never_a_pass(pytester, run, body):
    write_check(pytester, fixtures="host", body=body)
    assert run().ret == 1
    assert item(pytester, "RED-03")["status"] == "error"


def test_an_unreachable_host_is_named_without_a_stack(pytester, run):
    write_check(pytester, fixtures="host", body="host.run('true')")
    result = run()
    result.stdout.fnmatch_lines(["check error: redis1: no SSH connection to 127.0.0.1*"])
    result.stdout.no_fnmatch_line("*paramiko*")


def test_not_applicable_shows_its_reason(pytester, run):
    write_check(pytester, body="not_applicable('a single host')")
    assert run().ret == 0
    found = item(pytester, "RED-03")
    assert (found["status"], found["reason"]) == ("not-applicable", "a single host")


def test_a_skipped_check_verified_nothing(pytester, run):
    """The skip is the subject: a check that skips itself, in a suite of its own, must not hide that nobody looked."""
    write_check(pytester, body="pytest.skip('later')")
    assert run().ret == 0
    assert item(pytester, "RED-03")["status"] == "not-verified"


def test_strict_fails_for_what_nothing_verified(pytester, run):
    write_check(pytester)
    assert run("--strict-checklist").ret == 1


def test_limit_makes_a_partial_report(pytester, run):
    write_check(pytester)
    run("--limit", "redis2").assert_outcomes(passed=1)
    assert json.loads((pytester.path / "build/report/checklist.json").read_text())["partial"] == ["--limit redis2"]


def test_a_check_without_item_still_fails_the_run(pytester, run):
    pytester.makepyfile("def test_it(machine): assert machine.name != 'app1'")
    assert run().ret == 1
    report = json.loads((pytester.path / "build/report/checklist.json").read_text())
    assert [check["status"] for check in report["others"]] == ["passed", "passed", "failed"]


def test_a_secret_in_an_assertion_is_not_shown(pytester, run):
    write_check(
        pytester, fixtures="machine, pytestconfig", body="key = 'eyJabcdefghij.eyJabcdefghij.abc'; assert key == ''"
    )
    result = run("--junit-xml=junit.xml")
    result.stdout.no_fnmatch_line("*eyJabc*")
    assert "eyJabc" not in (pytester.path / "junit.xml").read_text()
    assert "[secret]" in item(pytester, "RED-03")["checks"][0]["message"]


def test_a_failing_teardown_is_an_error(pytester, run):
    pytester.makepyfile(
        """
        import pytest

        @pytest.fixture
        def restored():
            yield
            raise RuntimeError("not put back")

        @pytest.mark.item("RED-03")
        def test_it(machine, restored): pass
        """
    )
    assert run("--limit", "redis1").ret == 1
    assert item(pytester, "RED-03")["status"] == "error"


@pytest.mark.parametrize(
    ("arguments", "check", "said"),
    [
        ([], {"items": '"RED-99"'}, "*no item RED-99 in checklist/catalogue.yml*"),
        ([], {"items": '"RED-03", kind="guess"'}, "*no kind 'guess' of proof*"),
        (["--limit", "redis9"], {}, "*--limit redis9: no such host or group; known: app, app1, redis, redis1, redis2*"),
        (["--limit", "app"], {}, "*--limit app: none of these checks looks at such a host*"),
        (["--waivers", "nowhere.yml"], {}, "*nowhere.yml is missing*"),
    ],
)
def test_what_makes_no_sense_is_refused(pytester, run, arguments, check, said):
    write_check(pytester, **check)
    result = run(*arguments)
    assert result.ret != 0
    (result.stderr if result.errlines else result.stdout).fnmatch_lines([said])
    assert not (pytester.path / "build/report/checklist.json").exists()


def test_a_group_without_hosts_is_an_error_never_a_silent_pass(pytester, run):
    write_check(pytester, group='"postgres", "etcd"')
    assert run().ret == 1
    found = item(pytester, "RED-03")
    assert found["status"] == "error"
    assert "no host in group etcd or postgres" in found["reason"]


def test_without_inventory_host_checks_are_refused(pytester, run):
    write_check(pytester)
    result = run(inventory=False)
    assert result.ret != 0
    result.stdout.fnmatch_lines(["*checks of hosts need --inventory*"])


def test_an_inventory_that_is_not_there_is_refused():
    with pytest.raises(inventory.InventoryError, match="no such file"):
        inventory.read("inventories/nowhere.py")


def test_tests_of_something_else_write_no_report(pytester, run):
    pytester.makepyfile("def test_it(): pass")
    assert run().ret == 0
    assert not (pytester.path / "build").exists()


def test_an_expired_waiver_fails_the_run(pytester, run):
    write_check(pytester)
    waivers = pytester.path / "w.yml"
    waivers.write_text(
        "- {id: INF-08, decision: waived, reason: r, owner: o, date: 2020-01-01, until: 2020-02-01, evidence: e}"
    )
    result = run("--waivers", str(waivers))
    assert result.ret == 1
    assert item(pytester, "INF-08")["status"] == "expired"
    result.stdout.fnmatch_lines(["*INF-08*expired*"])

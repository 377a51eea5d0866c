"""Prometheus' rules: valid, tested by promtool, and each alert leads to a runbook that is there."""

import shutil
import subprocess

import pytest
import yaml
from conftest import PROJECT

RULES = sorted((PROJECT / "rules").glob("*.yml"))


def promtool(*words):
    """From Debian's package prometheus, or unpacked from it by script/setup."""
    program = shutil.which("promtool", path=f"{PROJECT}/build/tools:/usr/bin:/usr/local/bin")
    assert program, "no promtool: run script/setup"
    return subprocess.run([program, *words], capture_output=True, text=True, timeout=120, check=False)


@pytest.mark.parametrize("path", RULES, ids=lambda path: path.stem)
def test_rules_do_what_their_tests_say(path):
    checked = promtool("check", "rules", str(path))
    assert checked.returncode == 0, checked.stdout + checked.stderr
    tested = promtool("test", "rules", str(PROJECT / "tests/rules" / path.name))
    assert tested.returncode == 0, tested.stdout + tested.stderr


@pytest.mark.parametrize("path", RULES, ids=lambda path: path.stem)
def test_every_alert_is_tested_and_has_a_runbook(path):
    groups = yaml.safe_load(path.read_text())["groups"]
    alerts = [rule for group in groups for rule in group["rules"] if "alert" in rule]
    tests = yaml.safe_load((PROJECT / "tests/rules" / path.name).read_text())["tests"]
    fired = {case["alertname"] for one in tests for case in one.get("alert_rule_test", ()) if case["exp_alerts"]}
    assert {rule["alert"] for rule in alerts} == fired, "an alert that no test has seen fire"
    for rule in alerts:
        assert (PROJECT / rule["annotations"]["runbook"]).is_file(), (
            f"{rule['alert']}: {rule['annotations']['runbook']}"
        )

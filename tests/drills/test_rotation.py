"""Drill on the change of a database password: programs log in all the time, with the old and with the new one."""

import subprocess
import sys
from pathlib import Path

import pytest

from checklist.run import not_applicable

pytestmark = pytest.mark.group("postgres", first=True)
LOOP = Path(__file__).with_name("logins.sh")
UNIT = "xteam-login-drill"
FILES = "/run/xteam-login-drill"
DEPLOY_SECONDS = 580


class Logins:
    """A program on `host` that logs in all the time, as the application does and directly."""

    def __init__(self, host, estate):
        self.host = host
        self.stop()
        environment = {
            "PGHOST": estate.fqdn("postgres"),
            "PGHOSTADDR": "127.0.0.1",
            "PGDATABASE": estate.postgres.POSTGRES_DB,
            "PGSSLMODE": "verify-ca",
            "PGSSLROOTCERT": "/etc/xteam/pki/ca.crt",
            "PGCONNECT_TIMEOUT": "10",
            "PORTS": '"6432 5440"',
            "ENVIRONMENT": "/etc/xteam/app.env",
            "STOP": f"{FILES}.stop",
        }
        host.run_with_stdin(f"cat > {FILES}.env", "".join(f"{key}={value}\n" for key, value in environment.items()))
        host.run_with_stdin(f"cat > {FILES}.sh", LOOP.read_text())
        host.check_output(
            f"systemd-run -q --unit {UNIT} -p RemainAfterExit=yes -p EnvironmentFile={FILES}.env"
            f" -p StandardOutput=truncate:{FILES}.result bash {FILES}.sh"
        )

    def result(self, eventually):
        """[(time, whose, user, port, what was said)]"""
        self.host.check_output(f"touch {FILES}.stop")
        state = f"systemctl show -p SubState --value {UNIT}"
        eventually(lambda: self.host.run(f"{state}; true").stdout.strip() != "running", seconds=90, interval=1)
        try:
            lines = self.host.check_output(f"cat {FILES}.result").splitlines()
        finally:
            self.stop()
        return [line.split(" ", 4) for line in lines]

    def stop(self):
        self.host.run(f"systemctl stop {UNIT} 2>/dev/null; rm -f {FILES}.*; true")


@pytest.mark.item("SEC-02", kind="drill")
def test_a_password_changes_and_no_login_fails(hosts, estate, secret, eventually, pytestconfig):
    """Two logins are valid during the change; the old password is refused after it."""
    clients = [one for one in hosts if {"app", "worker"} & set(one.machine.groups)]
    if not clients or not estate.members("redis"):
        not_applicable("no host of the application in the inventory")
    client, name = clients[0], estate.postgres.POSTGRES_PASSWORD.name
    before = secret(name)
    logins = Logins(client, estate)
    pyinfra = str(Path(sys.executable).with_name("pyinfra"))
    words = [pyinfra, "-y", pytestconfig.getoption("inventory"), "deploys/rotate_secret.py", "--data", f"secret={name}"]
    run = subprocess.run(
        words, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=DEPLOY_SECONDS, check=False
    )
    # Some logins more with what stands there now.
    eventually(lambda: client.run("sleep 3").rc == 0, seconds=10)
    said = logins.result(eventually)
    assert run.returncode == 0, f"the change failed: {(run.stdout + run.stderr)[-800:]}"
    assert before not in run.stdout + run.stderr, "the password is shown"
    present = [line for line in said if line[1] == "present"]
    failed = [line for line in present if line[4] != "ok"]
    assert len(present) > 50, f"only {len(present)} logins: the drill shows nothing"
    assert not failed, f"{len(failed)} of {len(present)} logins failed: {failed[:3]}"
    first = [line[4] == "ok" for line in said if line[1] == "first"]
    used = {line[2] for line in present}
    assert len(used) == 2, f"logins in use during the change: {used}"
    since = next(float(line[0]) for line in present if line[2].endswith("_next"))
    both = sum(line[1] == "first" and line[4] == "ok" and float(line[0]) > since for line in said)
    assert both, "the old password was not valid beside the new one"
    assert not first[-1], "the old password is still valid"
    client.run(
        f"echo {len(present)} logins with the credentials in force, 0 failed;"
        f" echo {both} with the old password beside the new one"
    )

"""The shell commands of hosts: their syntax, how they say what they take, and what they refuse.

What asks PostgreSQL, Redis or HAProxy runs on lab hosts alone; here those are only asked for their usage.
"""

import re
import shlex
import subprocess
from pathlib import Path

import pytest
from host_programs import HERE, Host

from xteam_infra.engine.host_packages import shell_command, shell_settings
from xteam_infra.engine.runtime import PROJECT

NAMES = sorted(path.stem for path in (HERE / "bin").glob("*.sh"))
# By their first argument; None: called without.
USAGE = {
    "xteam-acme": (None, 1),
    "xteam-celery-metrics": ("--help", 0),
    "xteam-edge": (None, 0),
    "xteam-edge-leave": (None, 2),
    "xteam-files": (None, 1),
    "xteam-firewall-metrics": (None, 1),
    "xteam-heartbeat": ("--help", 0),
    "xteam-liveness": ("--help", 0),
    "xteam-recovery-marker": ("--help", 0),
    "xteam-migrate": ("downgrade", 2),
    "xteam-operate": (None, 2),
    "xteam-redis": (None, 2),
    "xteam-redis-eligible": (None, 2),
    "xteam-redis-handover": (None, 2),
    "xteam-redis-restore": (None, 2),
    "xteam-run": (None, 2),
}
# They hand their words to a program that says it itself, or have a test of their own.
WITHOUT = {
    "xteam-deadletters",
    "xteam-etcdctl",
    "xteam-firewall-probe",
    "xteam-hosts",
    "xteam-patronictl",
    "xteam-python",
    "xteam-smoke",
}
SETTINGS = {
    "app": {
        "ACCOUNT": "xteam",
        "CA": "/ca.crt",
        "CURRENT": "{root}/current",
        "DOMAIN": "xteam.test",
        "ENVIRONMENT": "/etc/app.env",
        "MANAGE_MODULE": "shop.manage",
        "MIGRATE_MODULE": "shop.migrate",
        "MIGRATOR_ENVIRONMENT": "/etc/migrate.env",
        "RELEASES": "{root}/releases",
        "RUNTIME": "/opt/runtime",
        "UPLOADS": "/srv/uploads",
        "WORKSPACES": "/srv/workspaces",
    },
    "celery": {"METRICS": "{root}/celery.prom", "WORKERS": "1=default 2=slow", "ALIVE_SECONDS": 180},
    "edge": {
        "NAME": "edge1",
        "ADMIN_SOCKET": "/run/admin.sock",
        "CERTIFICATE": "{root}/pem",
        "ACME_CA": "",
        "HOSTS": "a",
    }
    | {"ACME_DIRECTORY": "https://acme.test", "ACME_EMAIL": "a@b.c", "ACME_PORT": 1, "ADDRESS": "10.0.0.1"},
    "files": {
        "CA": "/ca.crt",
        "CLIENT": "/client.crt",
        "DIRECTORIES": "/srv/a /srv/b",
        "PROXY_PORT": 8000,
        "METRICS": "{root}/var/lib/prometheus/node-exporter",
        "KEEPER": "backup1.xteam.internal",
        "NAME": "app1",
        "PASSWORD_FILE": "/etc/password",
        "STATE": "{root}/state",
    },
    "redis": {"REDIS_PORTS": "cache=6379 sentinel=26379", "ADDRESS": "10.0.0.1", "CA": "/ca.crt", "BACKUP": "10.0.0.2"}
    | {"BACKUP_SECONDS": 10, "RESTORE_PORT": 6390},
}


@pytest.fixture
def host(tmp_path):
    with Host(tmp_path) as made:
        for layer, values in SETTINGS.items():
            known = {name: str(value).replace("{root}", str(tmp_path)) for name, value in values.items()}
            made.file(f"/etc/xteam/programs/{layer}.env", shell_settings(layer, known).content)
        yield made


@pytest.mark.parametrize("name", NAMES)
def test_syntax(name):
    command = shell_command(name)
    shell = command.validate.split()[0]
    done = subprocess.run([shell, "-n"], input=command.content, text=True, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr


def test_every_command_is_known_here():
    assert set(NAMES) == set(USAGE) | WITHOUT


@pytest.mark.parametrize("name", USAGE)
def test_it_says_how_it_is_used_and_does_nothing(host, name):
    words, status = USAGE[name]
    for one in ("systemctl", "systemd-run", "restic", "redis-cli", "psql", "socat", "certbot", "nft", "xteam-run"):
        host.program(one)
    done = host.shell(name, *([words] if words else []))
    assert done.returncode == status, done.stderr
    assert "usage: " in done.stdout + done.stderr and name in done.stdout + done.stderr
    assert not host.calls()


def test_settings_are_quoted(tmp_path):
    value = "a b'c\"d$(touch /tmp/x)`e`"
    (tmp_path / "x.env").write_text(shell_settings("x", {"VALUE": value, "EMPTY": ""}).content)
    script = f'. {shlex.quote(str(tmp_path / "x.env"))}; printf "%s" "$VALUE$EMPTY"'
    assert subprocess.run(["sh", "-eu", "-c", script], capture_output=True, text=True, check=True).stdout == value


@pytest.mark.parametrize(
    "words", [("fetch",), ("fetch", "queue"), ("remove", "cache"), ("fetch", "sentinel"), ("", "cache")]
)
def test_redis_restore_refuses(host, words):
    host.program("systemctl")
    assert host.shell("xteam-redis-restore", *words).returncode == 2 and not host.calls()


@pytest.mark.parametrize("role", ["queue", "sentinel", "cach"])
def test_redis_handover_refuses_what_is_no_role(host, role):
    assert host.shell("xteam-redis-handover", role).returncode == 2


def test_redis_names_its_roles(host):
    assert "cache=6379 sentinel=26379" in host.shell("xteam-redis", "queue").stderr


def test_migrate_runs_the_release_that_is_named(host):
    host.program("systemd-run")
    for name in ("old", "new"):
        host.file(f"/releases/{name}/venv/bin/python").chmod(0o755)
    (host.root / "current").symlink_to(host.root / "releases/old")
    assert host.shell("xteam-migrate").returncode == 0
    (said,) = host.calls()
    assert said.endswith("releases/old/venv/bin/python -m shop.migrate check")
    assert "--property=EnvironmentFile=/etc/migrate.env" in said and "DynamicUser=yes" in said
    assert host.shell("xteam-migrate", "upgrade", "new").returncode == 0
    assert host.calls()[0].endswith("releases/new/venv/bin/python -m shop.migrate upgrade")
    done = host.shell("xteam-migrate", "upgrade", "other")
    assert done.returncode == 2 and "no release other on this host" in done.stderr and not host.calls()


def test_run_has_the_limits_of_the_application(host):
    host.program("systemd-run")
    assert host.shell("xteam-run", "-m", "shop.manage", "create-user", "ada b").returncode == 0
    (said,) = host.calls()
    assert "--property=User=xteam" in said and "--property=ReadWritePaths=/srv/uploads /srv/workspaces" in said
    assert said.endswith("xteam-python -m shop.manage create-user ada b")


def test_smoke_knows_the_site(host):
    host.program("xteam-run")
    assert host.shell("xteam-smoke", "--connect", "10.0.0.1:443").returncode == 0
    (said,) = host.calls()
    assert said.endswith("--name xteam.test --ca /ca.crt --manage shop.manage --connect 10.0.0.1:443")


@pytest.mark.parametrize(
    ("answer", "status", "restarted"),
    [
        ("", 0, []),
        ("sh:echo 2 takes no tasks; exit 1", 0, ["xteam-worker@2.service"]),
        (1, 1, []),
        (3, 0, []),
        (7, 1, []),
    ],
)
def test_workers_that_are_silent_are_restarted(host, answer, status, restarted):
    host.program("xteam-run", ("liveness --queues 1=default 2=slow", answer))
    host.program("systemctl")
    assert host.shell("xteam-liveness").returncode == status
    assert [one.split()[-1] for one in host.calls("try-restart")] == restarted


def test_figures_are_written_whole_or_not_at_all(host):
    target = host.file("/celery.prom", "before\n")
    host.program("xteam-run", ("--alive-seconds 180 1=default 2=slow", "sh:echo half; exit 1"))
    assert host.shell("xteam-celery-metrics").returncode == 1 and target.read_text() == "before\n"
    host.program("xteam-run", ("--alive-seconds 180 1=default 2=slow", "xteam_celery_broker_up 1"))
    assert host.shell("xteam-celery-metrics").returncode == 0
    assert target.read_text() == "xteam_celery_broker_up 1\n" and target.stat().st_mode & 0o777 == 0o644
    assert not list(host.root.glob("celery.prom.*"))


def test_files_are_backed_up_and_noted(host):
    host.file("/state/x")
    host.file("/var/lib/prometheus/node-exporter/x")
    host.program("restic", ("backup", 1))
    assert host.shell("xteam-files", "backup").returncode != 0
    assert not (host.root / "state/backup").exists(), "a failed backup is noted"
    host.calls()
    host.program("restic")
    assert host.shell("xteam-files", "backup").returncode == 0
    (said,) = host.calls()
    assert said.startswith("restic rest:https://backup1.xteam.internal:8000/app1/ --no-cache")
    assert said.endswith("backup --host app1 --tag files /srv/a /srv/b")
    told = host.root / "var/lib/prometheus/node-exporter/xteam-files.prom"
    assert told.read_text().startswith("xteam_files_backup_success_timestamp_seconds ")


def test_a_proof_that_is_short_of_a_file_fails(host):
    host.file("/state/x")
    host.file("/var/lib/prometheus/node-exporter/x")
    restored = 'sh:mkdir -p "${5%/}" 2>/dev/null; mkdir -p ROOT/state/proof; echo > ROOT/state/proof/one'
    restored = restored.replace("ROOT", str(host.root))
    listed = '{"type":"file"}\n{"type":"dir"}'
    host.program("restic", ("restore latest", restored), ("ls latest", listed + '\n{"type":"file"}'))
    done = host.shell("xteam-files", "prove")
    assert done.returncode == 1 and "of 2 files 1 came back" in done.stderr
    assert not (host.root / "state/prove").exists()
    host.program("restic", ("restore latest", restored), ("ls latest", listed))
    done = host.shell("xteam-files", "prove")
    assert done.returncode == 0 and "1 files came back" in done.stdout and (host.root / "state/prove").exists()


def test_a_restore_overwrites_nothing(host):
    host.program("restic")
    assert host.shell("xteam-files", "restore", "abc", "/srv/a/x").returncode == 0
    assert host.calls()[0].endswith("restore abc --target / --overwrite never --include /srv/a/x")


def test_templates_hold_no_programs():
    """Configuration only: no Python, and at most ten lines of shell."""
    for path in Path(PROJECT, "templates").rglob("*.j2"):
        text = path.read_text()
        assert not re.search(r"^(import \w+|from [\w.]+ import |def \w+\(.*\).*:$)", text, re.M), f"{path} holds Python"
        first = text.partition("\n")[0]
        if first.startswith("#!") and not first.startswith("#!/usr/sbin/nft "):
            assert "python" not in first and len(text.splitlines()) <= 10, f"{path} is a program"

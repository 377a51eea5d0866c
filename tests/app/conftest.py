"""The example application, run from its release archive as a host runs it: no installation, only `python -m`."""

import os
import subprocess
import tarfile
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from secrets import token_hex

import pytest
import requests
from uv import find_uv_bin

from lab.sentry_server import Tracker
from tests.app.services import Services, free_port, missing_programs, wait_for
from xteam_infra.release import PYTHON_VERSION, Release, build

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "examples" / "xteam"


@pytest.fixture(scope="session")
def release() -> Release:
    return build(EXAMPLE, out=ROOT / "build" / "releases")


@pytest.fixture(scope="session")
def python(release: Release, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The interpreter of a virtual environment that sees the unpacked release and nothing else."""
    words = ["python", "find", "--no-python-downloads", "--system", PYTHON_VERSION]
    found = subprocess.run([find_uv_bin(), *words], capture_output=True, text=True)
    if found.returncode:
        pytest.fail(f"needs Python {PYTHON_VERSION}, the hosts' version, on this machine")
    directory = tmp_path_factory.mktemp("release")
    with tarfile.open(release.archive) as tar:
        tar.extractall(directory, filter="data")
    venv = directory / "venv"
    subprocess.run([found.stdout.strip(), "-m", "venv", "--without-pip", str(venv)], check=True)
    (site,) = venv.glob("lib/python*/site-packages")
    (site / "release.pth").write_text(f"{directory / 'site-packages'}\n")
    subprocess.run([venv / "bin" / "python", "-m", "compileall", "-q", directory / "site-packages"], check=True)
    return venv / "bin" / "python"


@pytest.fixture(scope="session")
def services(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Services]:
    if missing := missing_programs():
        pytest.fail(f"needs these programs on this machine: {', '.join(missing)}")
    directory = tmp_path_factory.mktemp("services")
    for parent in list(directory.parents)[:2]:
        parent.chmod(0o755)  # pytest's own directories are for one user; the services run as another
    running = Services(directory)
    try:
        running.start()
        yield running
    finally:
        running.stop()


@dataclass
class Application:
    """The application as the provisioner sees it: commands, an environment, log files."""

    python: Path
    environment: dict[str, str]
    directory: Path
    port: int = field(default_factory=free_port)
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://localhost:{self.port}"

    def run(self, *words: str, stdin: str = "", **environment: str) -> subprocess.CompletedProcess[str]:
        command = [str(self.python), "-m", *words]
        env = self._clean() | self.environment | environment
        return subprocess.run(
            command, env=env, input=stdin, capture_output=True, text=True, timeout=300, cwd=self.directory
        )

    def spawn(self, name: str, *words: str) -> subprocess.Popen[bytes]:
        log = (self.directory / f"{name}.log").open("ab")
        command = [str(self.python), "-m", *words]
        env = self._clean() | self.environment
        process = subprocess.Popen(command, env=env, stdout=log, stderr=log, cwd=self.directory)
        self.processes.append(process)
        return process

    def log(self, name: str) -> str:
        return (self.directory / f"{name}.log").read_text()

    @staticmethod
    def _clean() -> dict[str, str]:
        return {name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ}

    def stop(self) -> None:
        for process in self.processes:
            process.terminate()
        for process in self.processes:
            process.wait(30)


@pytest.fixture(scope="session")
def tracker() -> Iterator[Tracker]:
    """Where the application's errors arrive."""
    server = Tracker(("127.0.0.1", 0), key=token_hex(8), token=token_hex(8))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="session")
def migrated(
    python: Path, services: Services, tracker: Tracker, tmp_path_factory: pytest.TempPathFactory
) -> Application:
    """The application with nothing started, its database migrated by three runs at once."""
    directory = tmp_path_factory.mktemp("app")
    places = {"UPLOAD_DIR": "uploads", "WORKSPACE_DIR": "workspaces", "PROMETHEUS_MULTIPROC_DIR": "metrics"}
    for name in places.values():
        (directory / name).mkdir()
    # Celery warns, as plain text, that it runs as root: here it may.
    environment = (
        services.environment
        | {"PYTHONWARNINGS": "ignore", "SENTRY_DSN": tracker.dsn}
        | {key: str(directory / name) for key, name in places.items()}
    )
    app = Application(python, environment, directory)
    command = [str(python), "-m", "xteam.migrate"]
    runs = [subprocess.Popen(command, env=services.migrator, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    said = [run.communicate(timeout=120)[0] for run in runs]
    assert [run.returncode for run in runs] == [0, 0, 0], said
    assert sum("upgraded from an empty database" in text for text in said) == 1, said
    assert sum("nothing to do" in text for text in said) == 2, said
    return app


@pytest.fixture(scope="session")
def running(migrated: Application) -> Iterator[Application]:
    """API with two processes, a worker and Beat."""
    log_config = next(migrated.python.parents[2].glob("site-packages/xteam/log-config.json"))
    api = ["uvicorn", "xteam.main:app", "--port", str(migrated.port), "--workers", "2", "--log-config", str(log_config)]
    celery = ["celery", "-q", "-A", "xteam.worker:app"]
    try:
        migrated.spawn("api", *api, "--no-proxy-headers", "--timeout-graceful-shutdown", "5")
        migrated.spawn("worker", *celery, "worker", "-Q", "default,slow", "-c", "2", "-n", "one@%h", "--without-mingle")
        migrated.spawn("beat", *celery, "beat", "-S", "redbeat.RedBeatScheduler", "--pidfile=")
        wait_for("api", lambda: _ready(migrated), 180)
        yield migrated
    finally:
        migrated.stop()


def _ready(app: Application) -> bool:
    try:
        return requests.get(f"{app.url}/readyz", timeout=5).status_code == 200
    except requests.RequestException:
        return False


@pytest.fixture(scope="session")
def token(running: Application) -> str:
    """Of a staff user made as an operator makes one."""
    password = token_hex(16)
    made = running.run("xteam.manage", "create-user", "ada", "--staff", stdin=password + "\n")
    assert made.returncode == 0, made.stderr
    answer = requests.post(f"{running.url}/auth/login", json={"name": "ada", "password": password}, timeout=10)
    assert answer.status_code == 200, answer.text
    return str(answer.json()["access_token"])

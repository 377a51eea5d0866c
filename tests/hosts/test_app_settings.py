"""What the application's processes run with: settings and secrets, as they are, not as a file says."""

import pytest
from units import environment_of, units_of

from xteam_infra.layers.app.needs import ENVIRONMENT, MIGRATOR_ENVIRONMENT
from xteam_infra.settings.strength import weakness

SETTINGS_OF_APP = (
    "ENVIRONMENT",
    "LOG_LEVEL",
    "ACCESS_TOKEN_EXPIRE_MINUTES",
    "rate_limit_enabled",
    "rate_limit_requests_per_minute",
    "max_upload_size_mb",
    "database_pool_size",
    "database_max_overflow",
    "UPSTREAM_TIMEOUT_SECONDS",
    "UPSTREAM_MAX_RETRIES",
    "WORKSPACE_MAX_AGE_DAYS",
)
# The contract's other variables, docs/reference/app-contract.md: all but the optional ones.
REQUIRED = (
    "RELEASE", "ALLOWED_HOSTS", "TRUSTED_PROXIES", "CORS_ALLOW_ORIGINS", "CORS_ALLOW_METHODS", "CORS_ALLOW_HEADERS",
    "POSTGRES_HOST", "POSTGRES_PORT", "POSTGRES_DB", "POSTGRES_USER", "POSTGRES_PASSWORD", "POSTGRES_SSLMODE",
    "POSTGRES_SSLROOTCERT", "REDIS_CACHE_URL", "REDIS_SESSIONS_URL", "REDIS_BLACKLIST_URL", "CELERY_BROKER_URL",
    "CELERY_RESULT_BACKEND", "CELERY_LOADER", "UPLOAD_DIR", "WORKSPACE_DIR", "SECRET_KEY", "DEBUG",
)  # fmt: skip


@pytest.fixture
def environments(host, estate):
    """{unit: environment} as the running main processes have it, not as a file says."""
    return {unit: environment_of(host, unit) for unit in units_of(host, estate)}


@pytest.mark.group("app", "worker")
@pytest.mark.item("PRE-02")
def test_every_variable_of_the_contract_is_set(host, environments):
    for unit, environment in environments.items():
        missing = [name for name in (*REQUIRED, *SETTINGS_OF_APP) if not environment.get(name)]
        assert not missing, f"{unit} runs without {', '.join(missing)}"
        release = host.check_output("readlink /opt/xteam/current").rpartition("/")[2]
        assert environment["RELEASE"] == release, f"{unit} runs {environment['RELEASE']}, in use is {release}"


@pytest.mark.group("app", "worker")
@pytest.mark.item("PRE-02")
def test_processes_run_with_the_settings(estate, environments):
    for unit, environment in environments.items():
        for name in SETTINGS_OF_APP:
            wanted = getattr(estate.app, name)
            wanted = str(wanted).lower() if isinstance(wanted, bool) else str(wanted)
            assert environment[name] == wanted, f"{unit} runs with {name}={environment[name]}, not {wanted}"


@pytest.mark.group("app", "worker")
@pytest.mark.item("APP-01")
def test_environment_is_production(environments):
    for unit, environment in environments.items():
        assert environment["ENVIRONMENT"] == "production", f"{unit} runs as {environment['ENVIRONMENT']}"


@pytest.mark.group("app", "worker")
@pytest.mark.item("APP-03")
def test_log_level(environments):
    for unit, environment in environments.items():
        assert environment["LOG_LEVEL"] in ("WARNING", "ERROR"), f"{unit} logs from {environment['LOG_LEVEL']}"


@pytest.mark.group("app", "worker")
@pytest.mark.item("SEC-05")
def test_debug_is_off(environments):
    for unit, environment in environments.items():
        assert environment["DEBUG"] == "false", f"{unit} runs with DEBUG={environment['DEBUG']}"


@pytest.mark.group("app")
@pytest.mark.item("APP-02")
def test_no_documentation_of_the_api(api):
    for path in ("/docs", "/redoc", "/openapi.json"):
        assert api(path).status == 404, f"{path} answers {api(path).status}"


# --- Secrets


@pytest.mark.group("app", "worker")
@pytest.mark.item("SEC-01")
def test_secret_key_is_strong_and_from_the_store(environments, estate, secret):
    for unit, environment in environments.items():
        assert environment["SECRET_KEY"] == secret(estate.app.SECRET_KEY.name), f"{unit} has another key than the store"
        assert not weakness(environment["SECRET_KEY"]), f"{unit}: {weakness(environment['SECRET_KEY'])}"


@pytest.mark.group("app", "worker")
@pytest.mark.item("SEC-10")
def test_secret_files_are_private(host):
    """Only root, and for one file the application, may read values of the store."""
    wanted = {ENVIRONMENT: "640 root:xteam"}
    if "app" in host.machine.groups:
        wanted[MIGRATOR_ENVIRONMENT] = "600 root:root"
    for path, rights in wanted.items():
        found = host.check_output(f"stat -c '%a %U:%G' {path}").strip()
        assert found == rights, f"{path} is {found}, not {rights}"
        assert host.run(f"setpriv --reuid nobody --clear-groups cat {path}").rc != 0, f"nobody can read {path}"
    readable = host.run("find /opt/xteam /srv/xteam /etc/xteam -xdev -perm -o=w ! -type l").stdout.strip()
    assert not readable, f"anybody can write {readable}"


@pytest.mark.item("SEC-10")
def test_no_secret_in_processes_or_journal(host, estate, secret):
    """Every value the application's host could leak, looked for where other local users or a log collector see it."""
    names = [one.name for one in (*estate.app.secrets.values(), *estate.postgres.passwords.values())]
    names += [f"redis/{role}/{user}" for role in estate.redis.redis_instances for user in ("app", "admin", "replica")]
    # A message quotes the beginning of what it could not read.
    values = "".join(f"{value if '://' in value else value[:8]}\n" for value in map(secret, names))
    for what, command in (
        ("unit's properties", "systemctl show --all '*' > /run/xteam-check.$$"),
        ("command line", "cat /proc/[0-9]*/cmdline 2>/dev/null | tr '\\0' ' ' > /run/xteam-check.$$"),
        ("journal", "journalctl --no-pager --quiet --since -2h --output cat > /run/xteam-check.$$"),
    ):
        # Read by the shell itself: grep's own command line must not hold them.
        look = f"umask 077; {command}; grep -cFf - /run/xteam-check.$$; rm -f /run/xteam-check.$$"
        found = host.run_with_stdin(look, values, timeout=300).stdout.strip()
        assert found == "0", f"{found} lines of a {what} hold a secret, or its beginning"

"""The files of the monthly report on PostgreSQL, on the host that keeps it."""

import json
from importlib.resources import files
from pathlib import Path

from xteam_infra import on_host
from xteam_infra.operations import HostFile
from xteam_infra.plan import CA_PATH
from xteam_infra.plan import postgres as plan
from xteam_infra.plan.tuning import parameters
from xteam_infra.runtime import secret

LIBRARY = "/usr/local/lib/xteam-report"
CONFIG = "/etc/xteam/postgres-report.json"
PASSWORD = "/etc/xteam/postgres-report.pass"  # noqa: S105 - where it is, not what
METRICS = "/var/lib/prometheus/node-exporter"
SUBJECT = "xteam_postgres_report"


def report_files(estate) -> list[HostFile]:
    """Program, configuration, password and unit."""
    return [*_program(), _config(estate), _password(estate), _unit()]


def timer() -> HostFile:
    """When it is made."""
    return HostFile(f"/etc/systemd/system/{plan.REPORT_TIMER}", "postgres/xteam-postgres-report.timer.j2")


def _program() -> list[HostFile]:
    package = Path(str(files(on_host))) / "xteam_postgres_report"
    found = sorted(path for path in package.iterdir() if path.suffix in (".py", ".j2"))
    return [HostFile(f"{LIBRARY}/{package.name}/{path.name}", text=path.read_text()) for path in found]


def _config(estate) -> HostFile:
    conninfo = (
        f"port={plan.PORT} dbname={estate.postgres.POSTGRES_DB} user=monitor connect_timeout=10 "
        f"application_name=report sslmode=verify-full sslrootcert={CA_PATH}"
    )
    members = {one.name: f"host={estate.fqdn(one.name)} {conninfo}" for one in estate.members("postgres")}
    values = {
        "members": members,
        "database": estate.postgres.POSTGRES_DB,
        "parameters": parameters(estate.postgres, bool(estate.members("backup"))),
        "keep_months": estate.postgres.postgres_report_keep_months,
    }
    return HostFile(CONFIG, text=json.dumps(values, indent=1))


def _password(estate) -> HostFile:
    reference = estate.postgres.postgres_monitor_password
    return HostFile(PASSWORD, text=lambda: f"*:*:*:monitor:{secret(reference)}", mode="600")


def _unit() -> HostFile:
    figure = f"{METRICS}/xteam-postgres-report.prom"
    name = f"{SUBJECT}_success_timestamp_seconds"
    lines = f"# HELP {name} When the last report was made.\\n# TYPE {name} gauge\\n{name} %%s\\n"
    metric = f'printf "{lines}" $(date +%%s) > {figure}.new && chmod 644 {figure}.new && mv -f {figure}.new {figure}'
    context = {
        "account": plan.REPORT_ACCOUNT,
        "reports": plan.REPORTS,
        "password": PASSWORD,
        "library": LIBRARY,
        "config": CONFIG,
        "metric": metric,
    }
    return HostFile(f"/etc/systemd/system/{plan.REPORT_UNIT}", "postgres/xteam-postgres-report.service.j2", context)

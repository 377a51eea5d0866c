"""The files of the monthly report on PostgreSQL, on the host that keeps it."""

import json

from xteam_infra.engine.common_files import password_file, timer_file
from xteam_infra.engine.host_packages import MODULES, package_files
from xteam_infra.engine.operations import HostFile
from xteam_infra.estate import Estate
from xteam_infra.layers.postgres import needs as plan
from xteam_infra.layers.postgres.tuning import parameters
from xteam_infra.plan import CA_PATH

CONFIG = "/etc/xteam/postgres-report.json"
PASSWORD = "/etc/xteam/postgres-report.pass"  # noqa: S105 - where it is, not what


def report_files(estate: Estate) -> list[HostFile]:
    """Program, configuration, password and unit."""
    return [*package_files("xteam_postgres_report", MODULES), _config(estate), _password(estate), unit()]


def timer(estate: Estate) -> HostFile:
    """When it is made."""
    return timer_file(
        plan.REPORT_TIMER, "Monthly report on PostgreSQL", estate.postgres.postgres_report_schedule, spread_seconds=600
    )


def _config(estate: Estate) -> HostFile:
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


def _password(estate: Estate) -> HostFile:
    return password_file(PASSWORD, estate.postgres.postgres_monitor_password)


def unit() -> HostFile:
    """How it is made."""
    context = {
        "account": plan.REPORT_ACCOUNT,
        "memory_mb": plan.REPORT_MB,
        "reports": plan.REPORTS,
        "password": PASSWORD,
        "modules": MODULES,
        "config": CONFIG,
    }
    return HostFile(f"/etc/systemd/system/{plan.REPORT_UNIT}", "postgres/xteam-postgres-report.service.j2", context)

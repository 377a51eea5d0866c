"""Files on hosts that several layers have alike: timers by the calendar, passwords, mTLS proxies before a server."""

from pathlib import PurePosixPath
from shlex import quote

from xteam_infra.engine.operations import HostFile
from xteam_infra.settings.backup import BackupSettings

UNITS = PurePosixPath("/etc/systemd/system")


def timer_file(name: str, description: str, calendar: str, spread_seconds: int = 0) -> HostFile:
    """What starts the service of the same name by systemd's calendar, also when the host was off at that time.

    spread_seconds: the most it is put off, so that not all hosts begin at once.
    """
    return HostFile(
        str(UNITS / name),
        "shared/timer.j2",
        {"description": description, "calendar": calendar, "spread_seconds": spread_seconds},
        validate=f"systemd-analyze calendar {quote(calendar)}",
    )


def password_file(path: str, secret_name: object, owner: str = "root", validate: str = "") -> HostFile:
    """A password alone in a file that its owner alone may read. secret_name: the reference to it."""
    return HostFile(
        path, "shared/password.j2", {"secret_name": secret_name}, owner=owner, mode="400", validate=validate
    )


def credentials_file(path: str, storage: BackupSettings, validate: str) -> HostFile:
    """The backup host's access key to the bucket, root's alone."""
    return HostFile(path, "shared/s3.credentials.j2", {"storage": storage}, mode="600", validate=validate)


def mtls_proxy_unit_file(name: str, description: str, config: str, server_unit: str) -> HostFile:
    """A HAProxy of its own before a server that can't ask for certificates."""
    unit = str(UNITS / name)
    context = {
        "name": PurePosixPath(name).stem,
        "description": description,
        "config": config,
        "server_unit": server_unit,
    }
    return HostFile(unit, "shared/mtls-proxy.service.j2", context)

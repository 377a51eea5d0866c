"""`python -m xteam_infra.reference.environment_page`: the page of variables, from templates and settings."""

import argparse
import re
from collections.abc import Iterator
from pathlib import Path

from xteam_infra.secrets import Secret
from xteam_infra.settings import BY_LAYER, OWNER_OF_KEY
from xteam_infra.settings.app import AppSettings

PROJECT = Path(__file__).parents[2]
PATH = PROJECT / "docs/reference/environment.md"
LAYERS = ("app", "celery")
HEAD = """# Environment

Every variable that the application's processes get, file by file. Generated from the templates that write them and the
settings' models by `python -m xteam_infra.reference.environment_page`; a test keeps it equal to them, and a check on
every host sees that the running processes have what the contract ([app-contract.md](app-contract.md)) requires.

Change a variable by its setting, in `group_data/`: its values and bounds are in [settings.md](settings.md). *derived*:
from other layers' settings, so that the two can't differ. *secret*: the value is in the secrets store, by that name.
"""
# A variable that is another setting in this file than its name says.
OTHERWISE = {("migrate.env", "POSTGRES_PASSWORD"): "postgres_migrator_password"}
# What no setting of the same name explains.
PURPOSES = {
    "RELEASE": "Id of the release that runs; in /healthz and in error reports.",
    "TRUSTED_PROXIES": "Addresses whose X-Forwarded-For counts: the edges.",
    "UPLOAD_DIR": "Where uploads are kept.",
    "WORKSPACE_DIR": "Where workspaces are kept.",
    "BACKUP_RETENTION_DAYS": "Days until no backup holds what is erased today: the longest retention of any of them.",
    "POSTGRES_HOST": "Where PostgreSQL is reached: PgBouncer or the router on the same host, which find the leader.",
    "POSTGRES_PORT": "Its port there.",
    "migrate.env POSTGRES_USER": "The role that owns the tables.",
    "POSTGRES_SSLMODE": "How its certificate is verified.",
    "POSTGRES_SSLROOTCERT": "The authority that signed it.",
    "REDIS_CACHE_URL": "The cache's address, with the application's password: what may be forgotten.",
    "REDIS_SESSIONS_URL": "Likewise of the sessions.",
    "REDIS_BLACKLIST_URL": "Likewise of the tokens that were revoked.",
    "CELERY_BROKER_URL": "Likewise of the tasks that wait.",
    "CELERY_RESULT_BACKEND": "Likewise of the tasks' results.",
    "CELERY_LOADER": "Hands the operator's Celery settings to the application.",
    "XTEAM_CELERY_SETTINGS": "The file with those settings.",
    "PYTHONPATH": "Where the loader is found.",
    "PYTHONUNBUFFERED": "Log lines are written at once.",
    "PYTHONDONTWRITEBYTECODE": "The release stays as it was delivered.",
    "PROMETHEUS_MULTIPROC_DIR": "Where the API's processes add up their metrics (set in its unit).",
    "XTEAM_API_STATE": "Where an instance notes which edge has heard which answer about its readiness.",
    "XTEAM_API_DRAINED": "While this file exists, the instance gets no new request from the edges.",
    "XTEAM_API_APP": "The application that is served (`app_module`).",
    "XTEAM_API_READY_PATH": "The question that is answered for it while it is drained (`app_ready_path`).",
    "XTEAM_API_WEBSOCKET_MAX_AGE": "Seconds a WebSocket may last (`api_websocket_max_age_seconds`).",
    "XTEAM_API_WEBSOCKET_IDLE": "Seconds it may be silent (`api_websocket_idle_seconds`).",
    "WORKER_QUEUES": "The queues this worker serves (`celery_workers`).",
    "WORKER_AUTOSCALE": "How many tasks it works on at once, at most and at least (`celery_workers`).",
    "AUTOSCALE_KEEPALIVE": "How long additional processes stay (`celery_autoscale_seconds`).",
}


def variables(text: str) -> list[str]:
    """The names a template sets, in its order."""
    found = re.findall(r'^(\w+|\{\{ name \}\})="|^Environment=(\w+)=', text, re.MULTILINE)
    names: list[str] = []
    for written, in_unit in found:
        loop = written.startswith("{{")
        names += secrets() if loop else [written or in_unit]
    return names


def secrets() -> list[str]:
    """The variables of the template's loop over secrets."""
    return [name for name, field in AppSettings.model_fields.items() if name.isupper() and _is_secret(field.annotation)]


def files() -> dict[Path, list[str]]:
    """{template: variables} of all templates that set any for the application."""
    paths = sorted(path for layer in LAYERS for path in (PROJECT / "templates" / layer).glob("*.j2"))
    found = {path: variables(path.read_text()) for path in paths if path.name.endswith((".env.j2", ".service.j2"))}
    return {path: names for path, names in found.items() if names}


def document() -> str:
    """The whole page."""
    lines = [HEAD]
    for path, names in files().items():
        file = path.name.removesuffix(".j2")
        lines += [f"## {file}", "", _first_line(path), ""]
        lines += ["| variable | from | what for |", "|---|---|---|", *(_row(file, name) for name in names), ""]
    return "\n".join(lines).rstrip("\n") + "\n"


def _row(file: str, name: str) -> str:
    if purpose := PURPOSES.get(f"{file} {name}", PURPOSES.get(name)):
        return f"| `{name}` | derived | {purpose} |"
    key = OTHERWISE.get((file, name), name)
    field = BY_LAYER[OWNER_OF_KEY[key]].model_fields[key]
    source = f"`{key}` in `group_data/{OWNER_OF_KEY[key]}.py`"
    if _is_secret(field.annotation):
        default = field.default
        source = f"*secret* `{default.name}`" if isinstance(default, Secret) else f"*secret*, named by {source}"
    return f"| `{name}` | {source} | {' '.join((field.description or '').split())} |"


def _is_secret(annotation: object) -> bool:
    return "Secret" in str(annotation)


def _first_line(path: Path) -> str:
    line = next(line for line in path.read_text().splitlines() if line.startswith("# "))
    return re.sub(r" ?\{\{.*?\}\}", "", line.removeprefix("# ").removesuffix(" Managed by xteam-infra."))


def problems() -> Iterator[str]:
    """Variables that nothing explains, and explanations of none."""
    names = {name for of in files().values() for name in of}
    explained = {key.split()[-1] for key in PURPOSES}
    yield from (
        f"{name} is explained neither in PURPOSES nor as a setting" for name in names - explained - {*OWNER_OF_KEY}
    )
    yield from (f"{name} in PURPOSES is set by no template" for name in explained - names)


def main() -> None:
    """Write docs/reference/environment.md."""
    argparse.ArgumentParser(
        prog="python -m xteam_infra.reference.environment_page", description=main.__doc__
    ).parse_args()
    if wrong := sorted(problems()):
        raise SystemExit("\n".join(wrong))
    PATH.write_text(document())


if __name__ == "__main__":
    main()

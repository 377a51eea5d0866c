"""Settings of the app layer: the application's release, its environment and its API processes."""

from typing import ClassVar, Literal
from urllib.parse import urlsplit

from pydantic import Field, field_validator

from xteam_infra.secrets import Secret
from xteam_infra.settings.model import LayerSettings
from xteam_infra.settings.schedule import Calendar
from xteam_infra.settings.window import parse

MODULE = r"^[A-Za-z_]\w*(\.[A-Za-z_]\w*)*$"
OBJECT = r"^[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*$"
PATH = r"^/[A-Za-z0-9/_.-]*$"
# What "everybody" would be allowed by; the application refuses to start in production with one of them.
NEVER_ANYTHING = ("ALLOWED_HOSTS", "CORS_ALLOW_ORIGINS", "CORS_ALLOW_METHODS", "CORS_ALLOW_HEADERS")


class AppSettings(LayerSettings):
    """group_data/app.py. Names in the application's own spelling are passed on to it under that name."""

    layer: ClassVar[str] = "app"

    app_source: str = "examples/xteam"
    """What is deployed: a directory with pyproject.toml and requirements.lock, a wheel, NAME==VERSION of a package
    index, or ADDRESS@REF of git."""
    app_module: str = Field("xteam.main:app", pattern=OBJECT)
    """The ASGI application, as uvicorn names it."""
    app_migrate_module: str = Field("xteam.migrate", pattern=MODULE)
    """Run with "upgrade" it migrates the database; with "check" it exits 1 when that is still to be done."""
    app_manage_module: str = Field("xteam.manage", pattern=MODULE)
    """The operators' commands: create-user, export, erase, cleanup."""
    app_log_config: str | None = "xteam/log-config.json"
    """uvicorn's logging configuration, below the release's site-packages; None: uvicorn's own."""
    app_live_path: str = Field("/healthz", pattern=PATH)
    """Answers 200 while the process lives, whatever its dependencies do."""
    app_ready_path: str = Field("/readyz", pattern=PATH)
    """Answers 200 when requests can be served, 503 otherwise."""
    app_keep_releases: int = Field(6, ge=2, le=20)
    """Releases kept on a host, the running one included; those before are what rollbacks need."""
    app_release_directory: str = Field("releases", min_length=1)
    """Where releases are recorded, one file for each inventory: what tasks/release.py and tasks/rollback.py
    declare, and every later run deploys. Keep it in version control. While there is no file: app_source."""
    version: str | None = Field(None, min_length=1, exclude=True)
    """What tasks/release.py releases; given as --data version=..., never in a file."""
    deploy_lock_seconds: int = Field(120, ge=20, le=3600)
    """How long the lock of a release lives after the run that holds it has died."""
    deploy_window: tuple[str, ...] = ()
    """When releases may begin, in UTC, such as ("Tue-Thu 09:00-16:00", "Sat 02:00-05:00"). Empty: always."""
    outside_window: bool = Field(False, exclude=True)
    """Release all the same; given as --data outside_window=true."""
    rehearse: bool = Field(False, exclude=True)
    """Before a release changes anything, run its migrations on a restored copy of the newest backup, and stop if they
    fail. For one release: --data rehearse=true."""
    deploy_webhook: Secret | None = None
    """Address that is told, by a POST of JSON, when a release begins, succeeds or fails. A secret: it holds a token."""

    ENVIRONMENT: Literal["production", "staging", "test", "development"] = "production"
    """What kind of installation this is; the application hides its documentation in production."""
    DEBUG: bool = False
    """Tracebacks in answers. Refused in production."""
    SECRET_KEY: Secret = Secret("app/SECRET_KEY")
    """Signs the access tokens. A new value logs everybody out."""
    LOG_LEVEL: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "WARNING"
    """What the application logs beside requests and tasks, which it always does."""
    SENTRY_DSN: Secret | None = None
    """Where errors are reported; None reports them nowhere but to the log."""
    sentry_api: str | None = Field(None, pattern=r"^https?://[^/?#@ ]+(/[^/?# ]+)*$")
    """Where the verification finds events again: Sentry's API and the organization, such as
    "https://sentry.io/api/0/organizations/acme". None: it proves only that the tracker takes them."""
    sentry_api_token: Secret | None = None
    """What it shows there: a token of the organization with the scope org:read. The application is not given it."""
    OPENAI_API_KEY: Secret | None = None
    """Sent to the upstream as a bearer token."""

    ALLOWED_HOSTS: tuple[str, ...] = ()
    """Host names the application answers to. Empty: the domain."""
    CORS_ALLOW_ORIGINS: tuple[str, ...] = ()
    """Origins whose pages may call the API, such as "https://app.example.com". Empty: the domain's own."""
    CORS_ALLOW_METHODS: tuple[str, ...] = ("GET", "POST", "PUT", "DELETE")
    """Methods those pages may use."""
    CORS_ALLOW_HEADERS: tuple[str, ...] = ("Authorization", "Content-Type", "X-Request-ID")
    """Request headers those pages may send."""
    ACCESS_TOKEN_EXPIRE_MINUTES: int = Field(30, ge=1, le=30)
    """Life of an access token."""
    rate_limit_enabled: bool = True
    """Refuse clients that ask too often, with 429."""
    rate_limit_requests_per_minute: int = Field(120, ge=1, le=10_000_000)
    """Requests of one address in a minute, over all hosts."""
    max_upload_size_mb: int = Field(25, ge=1, le=10_240)
    """Largest request body (MiB); larger ones get 413."""
    database_pool_size: int = Field(5, ge=1, le=100)
    """Database connections an API process keeps open."""
    database_max_overflow: int = Field(5, ge=0, le=100)
    """Database connections it opens beyond those while it is busy."""

    UPSTREAM_URL: str | None = None
    """The external service that is called; None: there is none."""
    UPSTREAM_TIMEOUT_SECONDS: float = Field(5.0, gt=0, le=60)
    """Longest wait for each attempt."""
    UPSTREAM_MAX_RETRIES: int = Field(2, ge=0, le=10)
    """Attempts after the first one, with growing pauses."""

    app_upstreams: tuple[str, ...] = ()
    """Other addresses the application may connect to, such as "https://api.example.com"; UPSTREAM_URL and the error
    tracker are among them by themselves. Everything else outside its host is refused."""

    WORKSPACE_MAX_AGE_DAYS: int = Field(30, ge=1, le=3650)
    """A workspace that nobody touched for so long is removed."""
    workspace_cleanup_schedule: Calendar = "*-*-* 03:40:00"
    """When each host removes them, as systemd's OnCalendar."""

    app_port: int = Field(8000, ge=1024, le=65534)
    """TLS port of the API's blue instance, open to the edge alone; the green one has the next."""
    api_workers: int = Field(2, ge=1, le=64)
    """API processes on each host: one for each core."""
    api_memory_mb: int = Field(768, ge=128)
    """Memory (MiB) all API processes of a host may use; about 90 each when idle."""
    api_cpu_percent: int | None = Field(None, ge=10, le=6400)
    """CPU time they may use, in percent of one core; None: no bound but the host's."""
    api_tasks_max: int = Field(256, ge=32, le=8192)
    """Threads and processes they may have."""
    api_drain_seconds: int = Field(10, ge=0, le=3600)
    """How long the connections of an instance that gets no new requests may last, WebSockets among them. Then it is
    stopped: WebSockets that are left are closed with 1012, "connect again"."""
    api_graceful_seconds: int = Field(20, ge=1, le=300)
    """How long a stopping API goes on with the requests it has."""
    api_websocket_max_age_seconds: int = Field(3600, ge=60, le=86_400)
    """A WebSocket older than this is closed with 1012, "connect again"; after a reload, an edge keeps its old process
    no longer than for it."""
    api_websocket_idle_seconds: int = Field(900, ge=30, le=86_400)
    """A WebSocket on which neither side has said anything for this long is closed with 1001; what server and browser
    exchange to see that they are alive does not count."""
    api_ready_seconds: int = Field(60, ge=5, le=600)
    """How long a started API may take until it is ready; then it is stopped again and the old one goes on serving."""
    release_log_errors_allowed: int = Field(0, ge=0, le=10_000)
    """Errors a new instance may log until it gets its first request: with more, the old one goes on serving."""

    @property
    def secrets(self) -> dict[str, Secret]:
        """The secrets that are handed to the application, by variable."""
        optional = {"SENTRY_DSN": self.SENTRY_DSN, "OPENAI_API_KEY": self.OPENAI_API_KEY}
        return {"SECRET_KEY": self.SECRET_KEY, **{name: one for name, one in optional.items() if one}}

    @property
    def production(self) -> bool:
        """Whether this is production, where only safe values are accepted."""
        return self.ENVIRONMENT == "production"

    @field_validator("deploy_window")
    @classmethod
    def _windows(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for text in value:
            parse(text)
        return value

    @field_validator("app_upstreams")
    @classmethod
    def _upstreams(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for url in value:
            parts = urlsplit(url)
            if parts.scheme not in ("http", "https") or not parts.hostname or parts.port == 0:
                raise ValueError(f"addresses such as https://api.example.com, not {url}")
        return value

    @field_validator("UPSTREAM_URL")
    @classmethod
    def _address(cls, value: str | None) -> str | None:
        if value is not None and urlsplit(value).scheme not in ("http", "https"):
            raise ValueError("an http or https address, or None")
        return value

    @field_validator(*NEVER_ANYTHING)
    @classmethod
    def _words(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if wrong := [word for word in value if not word or any(c in word for c in ", \"'\\$\n")]:
            raise ValueError(f"words without spaces, commas and quotes, not {wrong}")
        return value

"""The application. Names in its own spelling reach it as environment variables of that name."""

from xteam_infra.secrets import Secret

# What is deployed: a directory with pyproject.toml and requirements.lock, a wheel with its lock, a version in a package
# index ("xteam==1.2.3"), or a git address with a ref ("https://git.example.com/xteam.git@v1.2.3").
# docs/reference/app-contract.md: what it must offer.
app_source = "examples/xteam"

# Where its parts are.
app_module = "xteam.main:app"
app_migrate_module = "xteam.migrate"
app_manage_module = "xteam.manage"
app_log_config = "xteam/log-config.json"
app_live_path = "/healthz"
app_ready_path = "/readyz"

# Releases kept on each host, the running one included.
app_keep_releases = 6

# Where releases are recorded, a file for each inventory (keep it in version control): what tasks/release.py and
# tasks/rollback.py declare, and every run deploys. While there is none, it is app_source.
app_release_directory = "releases"

# Seconds the lock of a release lives after the run that holds it has died.
deploy_lock_seconds = 120

# When releases may begin, in UTC, such as ("Tue-Thu 09:00-16:00",); empty: always.
# At another time: --data outside_window=true.
deploy_window = ()

# Who is told (a POST of JSON) when a release begins, succeeds or fails: Secret("app/DEPLOY_WEBHOOK", generate="never").
deploy_webhook = None

# Run every release's migrations on a restored copy of the newest backup first. For one: --data rehearse=true.
rehearse = False

# "production" hides the API's documentation and accepts safe values only.
ENVIRONMENT = "production"
DEBUG = False
LOG_LEVEL = "WARNING"

# References into the secrets store. SECRET_KEY is made (64 random characters) when it is not there.
SECRET_KEY = Secret("app/SECRET_KEY")

# Error tracking and the upstream's key: put the value into the store, then name it here:
# Secret("app/SENTRY_DSN", generate="never")
SENTRY_DSN = None
OPENAI_API_KEY = None

# Where the verification finds an event again that it caused, and with what (scope org:read):
# "https://sentry.io/api/0/organizations/acme", Secret("app/sentry-api-token", generate="never").
# None: it proves only that the tracker takes events.
sentry_api = None
sentry_api_token = None

# Names the application answers to, and origins whose pages may call it. Empty: the domain (group_data/all.py).
ALLOWED_HOSTS = ()
CORS_ALLOW_ORIGINS = ()
CORS_ALLOW_METHODS = ("GET", "POST", "PUT", "DELETE")
CORS_ALLOW_HEADERS = ("Authorization", "Content-Type", "X-Request-ID")

# Life of an access token in minutes, at most 30.
ACCESS_TOKEN_EXPIRE_MINUTES = 30

# Requests of one address in a minute; more get 429.
rate_limit_enabled = True
rate_limit_requests_per_minute = 120

# Largest request body (MiB); more gets 413.
max_upload_size_mb = 25

# Database connections of each API process: kept open, and opened on top while it is busy.
database_pool_size = 5
database_max_overflow = 5

# The external service that is called (None: there is none), the wait for each attempt, and attempts after the first.
UPSTREAM_URL = None
UPSTREAM_TIMEOUT_SECONDS = 5.0
UPSTREAM_MAX_RETRIES = 2

# Other addresses the application may connect to, such as ("https://api.example.com",). The firewall refuses the rest.
app_upstreams = ()

# Workspaces nobody touched for so many days are removed, on each host at this time (systemd's OnCalendar).
WORKSPACE_MAX_AGE_DAYS = 30
workspace_cleanup_schedule = "*-*-* 03:40:00"

# API processes on each host: one for each core. The limits are for all of them together.
app_port = 8000  # of the blue instance; the green one has the next
api_workers = 2
api_memory_mb = 768
api_cpu_percent = None  # percent of one core, such as 150; None: the host's
api_tasks_max = 256

# Seconds the old instance keeps its WebSockets while the new one serves; a stopping one goes on with requests it has;
# and a started one may take until it is ready.
api_drain_seconds = 10
api_graceful_seconds = 20
api_ready_seconds = 60

# Errors (lines of level ERROR or worse, tracebacks) a new instance may log until it gets its first request; with more
# it is stopped again and the old one goes on serving. Above 0: for an application that can't be cured of them yet.
release_log_errors_allowed = 0

# Seconds after which a WebSocket is closed with 1012 ("connect again"), and with 1001 when nobody has said anything.
api_websocket_max_age_seconds = 3600
api_websocket_idle_seconds = 900

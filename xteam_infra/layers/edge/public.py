"""What the edges show to the world: names, limits, and paths that they keep to the estate."""

from xteam_infra.estate import Estate

# A multipart form puts headers and boundaries around a file; the application counts the file alone.
FORM_BYTES = 64 * 1024
METRICS_PATH = "/metrics"


def hosts(estate: Estate) -> tuple[str, ...]:
    """Every public name that is served; a request for any other gets 421."""
    return (estate.all.domain, *(name for name in estate.app.ALLOWED_HOSTS if name != estate.all.domain))


def rate_limit(estate: Estate) -> int:
    """Requests a client may make in a minute; 0: any number."""
    return estate.app.rate_limit_requests_per_minute if estate.app.rate_limit_enabled else 0


def body_limit(estate: Estate) -> int:
    """Bytes of the largest request body: a file at its limit, with the form around it."""
    return estate.app.max_upload_size_mb * 1024 * 1024 + FORM_BYTES


def operators(estate: Estate) -> tuple[str, ...]:
    """Paths for machines of the estate, not for the world."""
    return (estate.app.app_ready_path, METRICS_PATH)

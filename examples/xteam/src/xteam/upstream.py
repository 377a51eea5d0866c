"""Calls to somebody else's service: bounded in time, repeated with growing pauses, and never for ever."""

import random
import time

import httpx

from xteam import metrics
from xteam.config import Settings
from xteam.log import request_id

PASSING = {429, 502, 503, 504}  # worth another try: the same request may succeed a moment later
FIRST_PAUSE, LONGEST_PAUSE = 0.2, 5.0  # seconds


class UpstreamError(Exception):
    """The upstream gave no usable answer. `attempts`: how often it was asked."""

    def __init__(self, reason: str, attempts: int):
        self.attempts = attempts
        super().__init__(reason)


def pause_before(attempt: int) -> float:
    """Seconds to wait before this attempt (2, 3, ...): doubled each time, with jitter against everybody at once."""
    return min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** (attempt - 2)) * random.uniform(0.5, 1)  # noqa: S311 - not a secret


def call(settings: Settings) -> tuple[httpx.Response, int]:
    """GET UPSTREAM_URL; the answer and the number of attempts.

    Raises UpstreamError after 1 + UPSTREAM_MAX_RETRIES attempts of UPSTREAM_TIMEOUT_SECONDS each."""
    headers = {"X-Request-ID": request_id.get()}
    if settings.OPENAI_API_KEY:
        headers["Authorization"] = f"Bearer {settings.OPENAI_API_KEY.get_secret_value()}"
    reason = ""
    with httpx.Client(timeout=settings.UPSTREAM_TIMEOUT_SECONDS, headers=headers) as client:
        for attempt in range(1, settings.UPSTREAM_MAX_RETRIES + 2):
            if attempt > 1:
                time.sleep(pause_before(attempt))
            try:
                response = client.get(str(settings.UPSTREAM_URL))
            except httpx.TransportError as error:
                reason = type(error).__name__
            else:
                if response.status_code not in PASSING:
                    metrics.UPSTREAM.labels("answered").inc()
                    return response, attempt
                reason = f"status {response.status_code}"
            metrics.UPSTREAM.labels("failed").inc()
    raise UpstreamError(reason, attempt)

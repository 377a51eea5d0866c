"""The operator's settings: the JSON file that XTEAM_CELERY_SETTINGS names."""

import json
import os
from functools import lru_cache
from pathlib import Path
from typing import Any

VARIABLE = "XTEAM_CELERY_SETTINGS"


@lru_cache
def read() -> dict[str, Any]:
    """app: the Celery application; defaults, forced: its settings (loader.py); dead_letters: key and limit.

    Raises RuntimeError when the file can't be read: running with Celery's own defaults would lose tasks."""
    path = os.environ.get(VARIABLE, "")
    try:
        values: dict[str, Any] = json.loads(Path(path).read_text())
        return values
    except (OSError, ValueError) as error:
        raise RuntimeError(f"{VARIABLE}={path or '(not set)'}: Celery's settings can't be read: {error}") from error

"""Logs: one JSON object per line on standard output, each with the id of the request that caused it."""

import json
import logging
import logging.config
import re
import uuid
from contextvars import ContextVar
from datetime import UTC, datetime

request_id: ContextVar[str] = ContextVar("request_id", default="-")

# Requests and finished tasks are an audit trail, not chatter: they are written whatever LOG_LEVEL is.
access = logging.getLogger("xteam.access")

_VALID_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")


def accept_request_id(offered: str | None) -> str:
    """The caller's request id if it is harmless in a header, a log line and a SQL comment; else a new one."""
    return offered if offered and _VALID_ID.fullmatch(offered) else uuid.uuid4().hex


class JsonFormatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        line = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
            "request_id": request_id.get(),
            **getattr(record, "data", {}),
        }
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str)


def configure_logging(level: str, stream: str = "stdout") -> None:
    """Send every logger of this process, uvicorn's and Celery's included, through one JSON handler.

    stream: "stderr" for commands, whose standard output is their answer.
    """
    handler = {"class": "logging.StreamHandler", "stream": f"ext://sys.{stream}", "formatter": "json"}
    passed_up: dict = {"handlers": [], "propagate": True, "level": "NOTSET"}
    logging.captureWarnings(True)
    logging.config.dictConfig(
        {
            "version": 1,
            "disable_existing_loggers": False,
            "formatters": {"json": {"()": JsonFormatter}},
            "handlers": {"all": handler},
            "root": {"level": level, "handlers": ["all"]},
            "loggers": {
                "xteam.access": {"level": "INFO"},
                "alembic": {"level": "WARNING"},  # it announces its plugins
                "uvicorn": passed_up,
                "uvicorn.error": passed_up,
                # xteam.access says the same with the request id, and without query strings.
                "uvicorn.access": {"handlers": [], "propagate": False},
            },
        }
    )

"""Settings of the logs layer."""

from typing import ClassVar

from xteam_infra.settings.model import LayerSettings


class LogsSettings(LayerSettings):
    """group_data/logs.py"""

    layer: ClassVar[str] = "logs"

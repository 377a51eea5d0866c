"""Settings of the app layer."""

from typing import ClassVar

from xteam_infra.settings.model import LayerSettings


class AppSettings(LayerSettings):
    """group_data/app.py"""

    layer: ClassVar[str] = "app"

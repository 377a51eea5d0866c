"""Settings of the router layer."""

from typing import ClassVar

from xteam_infra.settings.model import LayerSettings


class RouterSettings(LayerSettings):
    """group_data/router.py"""

    layer: ClassVar[str] = "router"

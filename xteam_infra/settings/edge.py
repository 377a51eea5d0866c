"""Settings of the edge layer."""

from typing import ClassVar

from xteam_infra.settings.model import LayerSettings


class EdgeSettings(LayerSettings):
    """group_data/edge.py"""

    layer: ClassVar[str] = "edge"

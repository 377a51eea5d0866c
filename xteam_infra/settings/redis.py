"""Settings of the redis layer."""

from typing import ClassVar

from xteam_infra.settings.model import LayerSettings


class RedisSettings(LayerSettings):
    """group_data/redis.py"""

    layer: ClassVar[str] = "redis"

"""Settings of the postgres layer."""

from typing import ClassVar

from xteam_infra.settings.model import LayerSettings


class PostgresSettings(LayerSettings):
    """group_data/postgres.py"""

    layer: ClassVar[str] = "postgres"

"""Settings of the celery layer."""

from typing import ClassVar

from xteam_infra.settings.model import LayerSettings


class CelerySettings(LayerSettings):
    """group_data/celery.py"""

    layer: ClassVar[str] = "celery"

"""Settings of the etcd layer."""

from typing import ClassVar

from xteam_infra.settings.model import LayerSettings


class EtcdSettings(LayerSettings):
    """group_data/etcd.py"""

    layer: ClassVar[str] = "etcd"

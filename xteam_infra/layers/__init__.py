"""The layers: all that one layer knows, in one folder. A row of LAYERS adds one.

xteam_infra/layers/NAME/needs.py says what it needs of a host (`needs`); NAME/rules.py, if there is one, what is refused
before any host is changed (`problems`) and which secrets it has (`stored`). This module imports nothing.
"""

from dataclasses import dataclass
from pathlib import Path

# What an inventory may call its groups. The lab reads the same file.
GROUPS = tuple(Path(__file__).with_name("groups.txt").read_text().split())


@dataclass(frozen=True)
class Layer:
    """One layer. settings: it has group_data/NAME.py, read by NAMESettings of xteam_infra/settings/NAME.py."""

    name: str
    settings: bool = True


# In the order in which deploys/all.py applies them.
LAYERS = (
    Layer("base"),
    Layer("firewall"),
    Layer("certificates"),
    Layer("storage"),
    Layer("etcd"),
    Layer("postgres"),
    Layer("backup"),
    Layer("redis"),
    Layer("redis_backup", settings=False),
    Layer("router"),
    Layer("app"),
    Layer("celery"),
    Layer("files"),
    Layer("edge"),
    Layer("logs"),
)
NAMES = tuple(layer.name for layer in LAYERS)

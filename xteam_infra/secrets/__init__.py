"""Secrets are references, resolved at the last moment from a store.

`Secret("postgres/app")` in group data names a value; the store (`secrets_store` in group_data/all.py) holds it.
A value that is missing is generated. It is in the store before it reaches any host.
"""

from xteam_infra.secrets.reference import Secret
from xteam_infra.secrets.store import Store, open_store
from xteam_infra.secrets.vault import Vault

__all__ = ["Secret", "Store", "Vault", "open_store"]

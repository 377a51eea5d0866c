"""Production on twelve hosts. Copy this file and group_data/prod.py under a name of your own, and fill in both.

It goes on serving when any one host of a row is lost; docs/operations/redis.md says what Redis may lose then. The
groups decide what a host becomes.
"""

from inventories._common import check as _check
from inventories._common import host as _host

# The name; where the controller reaches it; its availability zone. Give `address="10.0.0.11"` as well when the hosts
# reach each other by other addresses than the controller does. Other options: inventories/_common.py.
_edge1 = _host("edge1", "CHANGE-ME", region="CHANGE-ME")
_edge2 = _host("edge2", "CHANGE-ME", region="CHANGE-ME")
_app1 = _host("app1", "CHANGE-ME", region="CHANGE-ME")
_app2 = _host("app2", "CHANGE-ME", region="CHANGE-ME")
_db1 = _host("db1", "CHANGE-ME", region="CHANGE-ME")
_db2 = _host("db2", "CHANGE-ME", region="CHANGE-ME")
_db3 = _host("db3", "CHANGE-ME", region="CHANGE-ME")
_redis1 = _host("redis1", "CHANGE-ME", region="CHANGE-ME")
_redis2 = _host("redis2", "CHANGE-ME", region="CHANGE-ME")
_redis3 = _host("redis3", "CHANGE-ME", region="CHANGE-ME")
# In another region than the rest: what takes the site down must not take the backups along.
_backup1 = _host("backup1", "CHANGE-ME", region="CHANGE-ME")
_ops1 = _host("ops1", "CHANGE-ME", region="CHANGE-ME")

# Public entry: HAProxy with TLS, limits and the allow-list of host names. DNS for `domain` names both.
edge = [_edge1, _edge2]

# API processes.
app = [_app1, _app2]

# Celery workers and Beat; may be hosts of their own.
worker = [_app1, _app2]

# One PostgreSQL cluster under Patroni: one leads, two follow.
postgres = [_db1, _db2, _db3]

# Patroni's store: an odd number of members, so that a majority survives.
etcd = [_db1, _db2, _db3]

# Redis for cache, queue, sessions and revoked tokens, with Sentinel: an odd number.
redis = [_redis1, _redis2, _redis3]

# Encrypted backups of PostgreSQL, and its archived WAL.
backup = [_backup1]

# The collector of every host's journal.
logs = [_ops1]

# Monitoring.
metrics = [_ops1]

_check(globals())

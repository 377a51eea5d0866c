"""Staging: production's layers on five hosts. Copy it and group_data/staging.py, or fill them in here.

What is released to production is proved here first. Two application hosts: a release is rolled out host by host.
"""

from inventories._common import check as _check
from inventories._common import host as _host

# The name; where the controller reaches it; its availability zone (inventories/_common.py has the other options).
_edge1 = _host("edge1", "CHANGE-ME", region="CHANGE-ME")
_app1 = _host("app1", "CHANGE-ME", region="CHANGE-ME")
_app2 = _host("app2", "CHANGE-ME", region="CHANGE-ME")
_data1 = _host("data1", "CHANGE-ME", region="CHANGE-ME")
# In another region than the rest, as in production.
_ops1 = _host("ops1", "CHANGE-ME", region="CHANGE-ME")

# Public entry: HAProxy with TLS, limits and the allow-list of host names.
edge = [_edge1]

# API processes.
app = [_app1, _app2]

# Celery workers and Beat.
worker = [_app1, _app2]

# A PostgreSQL cluster of one member is a cluster: the same Patroni as in production.
postgres = [_data1]

# Patroni's store.
etcd = [_data1]

# Redis for cache, queue, sessions and revoked tokens.
redis = [_data1]

# Encrypted backups of PostgreSQL: restores are rehearsed here too.
backup = [_ops1]

# The collector of every host's journal.
logs = [_ops1]

# Monitoring.
metrics = [_ops1]

_check(globals())

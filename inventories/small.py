"""Everything on one host, and its backups with it: for a trial, or for a team that can wait while the host is repaired.

Fill in the host below and group_data/small.py. More hosts later: move groups to them, run again.
"""

from inventories._common import check as _check
from inventories._common import host as _host

# The name; where the controller reaches it; its availability zone (inventories/_common.py has the other options).
_xteam1 = _host("xteam1", "CHANGE-ME", region="CHANGE-ME")

# Public entry: HAProxy with TLS, limits and the allow-list of host names.
edge = [_xteam1]

# API processes.
app = [_xteam1]

# Celery workers and Beat.
worker = [_xteam1]

# PostgreSQL under Patroni.
postgres = [_xteam1]

# Patroni's store.
etcd = [_xteam1]

# Redis for cache, queue, sessions and revoked tokens.
redis = [_xteam1]

# Encrypted backups of PostgreSQL. On the same host they help against mistakes, not against the loss of the host:
# give this group a second host, elsewhere, as soon as you can.
backup = [_xteam1]

# The collector of the journal.
logs = [_xteam1]

# Monitoring.
metrics = [_xteam1]

_check(globals())

"""The hosts of a lab on this machine (`python -m lab up`). XTEAM_LAB names the lab; default: lab."""

from pyinfra.api.exceptions import InventoryError as _InventoryError

from inventories._common import check as _check
from lab.errors import LabError as _LabError
from lab.inventory import groups as _groups

try:
    _members = _groups()
except _LabError as _error:  # pyinfra prints its own errors without a traceback
    raise _InventoryError(str(_error)) from None

edge = _members["edge"]  # public entry: HAProxy, TLS
app = _members["app"]  # API processes
worker = _members["worker"]  # Celery workers and Beat
postgres = _members["postgres"]  # PostgreSQL under Patroni
etcd = _members["etcd"]  # Patroni's store; one or three members
redis = _members["redis"]  # cache, queue, sessions, blacklist and Sentinel
backup = _members["backup"]  # pgBackRest repository; another region in `ha`
logs = _members["logs"]  # central journal
metrics = _members["metrics"]  # monitoring

_check(globals())

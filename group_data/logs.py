"""Central logs: every host's journal, over mutual TLS, kept by the host in group `logs`."""

# The collector's port.
logs_port = 19532

# Disk on the collector: the most the journals may use, in equal shares for all hosts, and what must stay free. The
# oldest entries go first.
logs_max_use_gb = 20
logs_keep_free_gb = 2

# Days after which collected entries are deleted. Local journals: journal_retention_days in base.py.
logs_retention_days = 90

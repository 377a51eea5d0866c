"""etcd: the small store in which Patroni keeps who leads. One, three or five members."""

# Not the directory of Debian's own single-node default.
etcd_data_dir = "/var/lib/etcd/xteam"

# Size (MiB) at which etcd refuses writes (Patroni needs a few), and memory (MiB) a member may use.
etcd_quota_mb = 512
etcd_memory_mb = 256

# Milliseconds between heartbeats, and without one until another leader is elected. Raise both between regions.
etcd_heartbeat_ms = 100
etcd_election_ms = 1000

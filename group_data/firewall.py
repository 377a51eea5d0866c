"""The firewall. What is open, inbound and outbound, comes from what the layers declare; these are additions."""

# Such as {"port": 9999, "sources": ("10.0.0.0/24",), "comment": "old monitoring", "groups": ("redis",)}.
extra_inbound = ()

# Outbound is dropped too, but for what the layers declare. Such as {"port": 587, "destinations": ("192.0.2.25/32",),
# "accounts": ("root",), "comment": "mail relay", "groups": ("backup",)}.
extra_outbound = ()

# Where packages come from, if your mirrors (or the proxy before them) have addresses of their own: ("10.0.0.5/32",).
mirror_networks = ()
mirror_ports = (80, 443)

# Name servers (addresses) and time servers (networks), if not those of /etc/resolv.conf and any.
name_servers = ()
time_servers = ()

# Whose processes may ask the cloud's metadata service for the host's credentials. Nobody needs it.
metadata_accounts = ()

# Connections one host of the estate may have open to one port of another. Some services have lower limits of their own.
firewall_connections_per_peer = 1000

# Seconds after which a new ruleset is taken back unless a fresh SSH connection has succeeded.
firewall_confirm_seconds = 30

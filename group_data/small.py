"""What differs on a single host from the values of the layers. Any key of any layer may stand here; this file wins."""

# The name users type, whose DNS record names the host's public address.
domain = "xteam.example.com"

# A 0600 file on the controller. Keep a copy of it in a safe place: without it no backup can be read.
secrets_store = "file:~/.xteam/secrets.json"

# Networks that may reach SSH, such as ("198.51.100.7/32",): your own address.
management_networks = ()

# The public certificate with its chain, and its key: PEM files on the controller. None: one of the internal CA.
ssl_certfile = None
ssl_keyfile = None

# Read by the application, Sentry and the logs.
ENVIRONMENT = "production"

# One host collects its own logs: two weeks, and no more disk than this (GB).
logs_retention_days = 14
logs_max_use_gb = 5

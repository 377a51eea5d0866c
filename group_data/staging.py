"""What differs in staging from the values of the layers. Any key of any layer may stand here; this file wins."""

# The name users type, whose DNS record names the edge's public address.
domain = "staging.xteam.example.com"

# Its own prefix: staging must not hold production's secrets.
secrets_store = "aws:eu-central-1/xteam/staging"

# Networks that may reach SSH, such as ("10.0.0.5/32",): the controller, the bastion.
management_networks = ()

# The public certificate with its chain, and its key: PEM files on the controller. None: one of the internal CA.
ssl_certfile = None
ssl_keyfile = None

# Read by the application (which shows its API documentation here), Sentry and the logs.
ENVIRONMENT = "staging"

# What went wrong in staging is looked at now or never.
logs_retention_days = 30

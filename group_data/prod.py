"""What differs in production from the values of the layers. Any key of any layer may stand here; this file wins."""

# The name users type, whose DNS record names the edges' public addresses.
domain = "xteam.example.com"

# AWS Secrets Manager: region and prefix. Or "file:PATH", a 0600 file on the controller.
secrets_store = "aws:eu-central-1/xteam/prod"

# Networks that may reach SSH, such as ("10.0.0.5/32",): the controller, the bastion.
management_networks = ()

# The public certificate with its chain, and its key: PEM files on the controller, such as "certificates/xteam.pem".
# None: a certificate of the internal CA, which browsers don't know.
ssl_certfile = None
ssl_keyfile = None

# Read by the application, Sentry and the logs.
ENVIRONMENT = "production"

"""The whole estate. What differs between inventories goes into group_data/<inventory name>.py instead."""

# pyinfra logs in as an ordinary user; every operation runs through sudo (no password: keys only).
_sudo = True
# What root runs must find nothing of that user's: the login's own directory is the user's to write to.
_chdir = "/"

# The name users type. DNS for it points at the edge hosts.
domain = "xteam.example.com"

# Suffix of the names hosts use for each other; they are written to /etc/hosts, not to DNS.
internal_domain = "xteam.internal"

# Where secrets are kept: "aws:REGION/PREFIX" (AWS Secrets Manager) or "file:PATH" (a 0600 file on the controller).
secrets_store = "aws:eu-central-1/xteam"

# Networks (CIDR) that may reach SSH on every host: your controller, your bastion.
management_networks = ()

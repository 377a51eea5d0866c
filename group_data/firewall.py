"""The firewall. Openings come from what the layers declare; these are additions."""

# Such as {"port": 9999, "sources": ("10.0.0.0/24",), "comment": "old monitoring", "groups": ("redis",)}.
extra_inbound = ()

# Seconds after which a new ruleset is taken back unless a fresh SSH connection has succeeded.
firewall_confirm_seconds = 30

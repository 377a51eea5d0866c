"""What differs in a lab (`python -m lab up`) from production. Overrides any key of any layer."""

import os

from lab.inventory import controllers

__all__ = ["domain", "management_networks", "secrets_store"]

# Secrets are made by the first run and live and die with the lab.
secrets_store = f"file:/var/lib/xteam-lab/{os.environ.get('XTEAM_LAB') or 'lab'}/secrets.json"

# Hosts are NAME.xteam.lab; the lab seeds these names into every host's /etc/hosts.
domain = "xteam.lab"

# This machine's own address in each of the lab's regions.
management_networks = controllers()

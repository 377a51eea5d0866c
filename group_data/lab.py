"""What differs in a lab (`python -m lab up`) from production. Overrides any key of any layer."""

import os

from lab.inventory import controllers, error_tracker, floating_address, object_storage
from xteam_infra.secrets import Secret

__all__ = [
    "SENTRY_DSN",
    "app_release_directory",
    "backup_s3_bucket",
    "backup_s3_ca",
    "backup_s3_controller",
    "backup_s3_endpoint",
    "backup_s3_key",
    "backup_s3_key_id",
    "backup_s3_region",
    "backup_s3_uri_style",
    "celery_autoscale_seconds",
    "domain",
    "edge_floating_address",
    "management_networks",
    "secrets_store",
    "sentry_api",
    "sentry_api_token",
]

_name = os.environ.get("XTEAM_LAB") or "lab"
_storage = object_storage() or {}
_tracker = error_tracker() or {}

# Secrets are made by the first run and live and die with the lab.
secrets_store = f"file:/var/lib/xteam-lab/{_name}/secrets.json"

# What was released to it dies with the lab too.
app_release_directory = f"/var/lib/xteam-lab/{_name}/releases"

# Hosts are NAME.xteam.lab; the lab seeds these names into every host's /etc/hosts.
domain = "xteam.lab"

# This machine's own address in each of the lab's regions.
management_networks = controllers()

# Held by one of several edges.
edge_floating_address = floating_address("edge")

# The lab's own object storage. It takes any access key, so one is made.
backup_s3_bucket = f"xteam-backups-{_name}" if _storage else None
backup_s3_region = "eu-central-1"
backup_s3_endpoint = _storage.get("endpoint", "")
backup_s3_ca = _storage.get("ca", "")
backup_s3_uri_style = "path"
backup_s3_key_id = Secret("backup/s3-key-id")
backup_s3_key = Secret("backup/s3-key")
backup_s3_controller = "key"

# The lab's own error tracker; `lab up` has put its DSN and its token into the store.
SENTRY_DSN = Secret("app/SENTRY_DSN", generate="never") if _tracker else None
sentry_api = _tracker.get("api")
sentry_api_token = Secret("app/sentry-api-token", generate="never") if _tracker else None

# A check waits for the pools to shrink again.
celery_autoscale_seconds = 5

"""Encryption at rest of the database's files, and the hosts that hold its key."""

from xteam_infra.secrets import Secret as _Secret

# "fscrypt": an encrypted directory that a database host opens at boot with the help of the Tang servers.
# "provider": the cloud encrypts the volumes; somebody attests it (checklist/attestations.yml).
# "none": nothing is encrypted; DB-07 is red until somebody waives it (checklist/waivers.yml).
storage_encryption = "fscrypt"

# Directory on the data volume of each database host: ext4 with the feature `encrypt` (docs/operations/storage.md).
storage_path = "/srv/data"

# Hosts that run tang, which holds keys. Empty: one in each region, no database host where there is another.
storage_tang_servers = ()

# So many Tang servers must answer before an encrypted directory opens. 1: the loss of a region does not keep a database
# down.
storage_tang_threshold = 1

# Tang's port, open to the database hosts alone.
storage_tang_port = 7070

# The key for the day on which no Tang server is left: a name in the secrets store, made by the first run. No host gets
# it.
storage_recovery = _Secret("storage/recovery")

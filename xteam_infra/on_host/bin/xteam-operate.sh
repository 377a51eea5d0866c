#!/usr/bin/env -S -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C.UTF-8 /bin/sh
# shellcheck shell=sh
# Run the application's Python as the owner of its tables: for what the application itself may not write. For root.
#   xteam-operate -m xteam.manage create-user ada --staff < password
# Its account is made for the run, so that the application can't read the owner's password. PostgreSQL logs what it
# writes to protected tables and columns. Managed by xteam-infra.
set -eu
# shellcheck source=/dev/null
. /etc/xteam/programs/app.env

[ $# -gt 0 ] || { echo "usage: xteam-operate WORDS OF PYTHON...   such as -m MODULE" >&2; exit 2; }
exec systemd-run --quiet --collect --pipe --wait --service-type=exec \
    --property=DynamicUser=yes --property=EnvironmentFile="$ENVIRONMENT" \
    --property=EnvironmentFile="$MIGRATOR_ENVIRONMENT" --property=WorkingDirectory="$RUNTIME" \
    --property=NoNewPrivileges=yes --property=ProtectHome=yes --property=PrivateDevices=yes \
    --property=MemoryMax=512M --property=UMask=0077 \
    /usr/local/bin/xteam-python "$@"

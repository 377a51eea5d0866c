#!/usr/bin/env -S -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C.UTF-8 /bin/sh
# shellcheck shell=sh
# Run the application's Python as the application runs: its account, environment and limits. For root.
#   xteam-run -m xteam.manage create-user ada < password
# Managed by xteam-infra.
set -eu
# shellcheck source=/dev/null
. /etc/xteam/programs/app.env

[ $# -gt 0 ] || { echo "usage: xteam-run WORDS OF PYTHON...   such as -m MODULE" >&2; exit 2; }
exec systemd-run --quiet --collect --pipe --wait --service-type=exec \
    --property=User="$ACCOUNT" --property=Group="$ACCOUNT" \
    --property=EnvironmentFile="$ENVIRONMENT" --property=WorkingDirectory="$RUNTIME" \
    --property=NoNewPrivileges=yes --property=ProtectSystem=strict --property=ProtectHome=yes \
    --property=PrivateTmp=yes --property=MemoryMax=512M --property=UMask=0027 \
    --property="ReadWritePaths=$UPLOADS $WORKSPACES" \
    /usr/local/bin/xteam-python "$@"

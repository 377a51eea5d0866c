#!/usr/bin/env -S -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C.UTF-8 /bin/sh
# shellcheck shell=sh
# Run a release's migrations as the schema's owner: xteam-migrate [check|current|upgrade|verify] [RELEASE]. For root.
# RELEASE: default the one in use. Its account is made for the run, so that the application can't read its password.
# Managed by xteam-infra.
set -eu
# shellcheck source=/dev/null
. /etc/xteam/programs/app.env

case "${1:-check}" in
check | current | upgrade | verify) ;;
*)
    echo "usage: xteam-migrate [check|current|upgrade|verify] [RELEASE]" >&2
    exit 2
    ;;
esac
release=$(readlink -f "${2:+$RELEASES/$2}" 2>/dev/null || readlink -f "$CURRENT")
[ -x "$release/venv/bin/python" ] || { echo "no release ${2:-in use} on this host" >&2; exit 2; }
exec systemd-run --quiet --collect --pipe --wait --service-type=exec \
    --property=DynamicUser=yes --property=EnvironmentFile="$MIGRATOR_ENVIRONMENT" \
    --property=NoNewPrivileges=yes --property=ProtectHome=yes --property=PrivateDevices=yes \
    --property=MemoryMax=512M --property=WorkingDirectory=/ \
    "$release/venv/bin/python" -m "$MIGRATE_MODULE" "${1:-check}"

#!/usr/bin/env -S -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C.UTF-8 /bin/sh
# shellcheck shell=sh
# Ask HAProxy's admin socket: xteam-edge "show servers state". Managed by xteam-infra.
set -eu
# shellcheck source=/dev/null
. /etc/xteam/programs/edge.env

if [ "${1:-}" = --help ] || [ $# -eq 0 ]; then
    echo "usage: xteam-edge COMMAND...   such as: xteam-edge show stat; xteam-edge show table clients-$NAME"
    echo '       xteam-edge set server app/NAME-COLOUR state drain|ready   (until the next reload)'
    exit 0
fi
echo "$*" | exec socat -t 10 stdio "$ADMIN_SOCKET"

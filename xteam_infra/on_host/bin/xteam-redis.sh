#!/usr/bin/env -S -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C.UTF-8 XTEAM_REDIS_HOST=${XTEAM_REDIS_HOST} TERM=${TERM} /bin/sh
# shellcheck shell=sh
# redis-cli as the administrator of one role. Managed by xteam-infra.
# XTEAM_REDIS_HOST: ask another host's instance instead of this one's.
set -eu
# shellcheck source=/dev/null
. /etc/xteam/programs/redis.env

for one in $REDIS_PORTS; do
    [ "${one%=*}" != "${1:-}" ] || port=${one#*=}
done
if [ -z "${port:-}" ]; then
    echo "usage: xteam-redis ROLE [COMMAND...]   ROLE=PORT: $REDIS_PORTS" >&2
    exit 2
fi
# In the environment of a process of root, which root alone can read.
REDISCLI_AUTH=$(cat "/etc/xteam/redis/$1.pass")
export REDISCLI_AUTH
shift
exec redis-cli -h "${XTEAM_REDIS_HOST:-127.0.0.1}" -p "$port" --tls --cacert "$CA" --user admin --no-auth-warning -e "$@"

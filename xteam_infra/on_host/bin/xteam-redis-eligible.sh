#!/usr/bin/env -S -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C.UTF-8 /bin/sh
# shellcheck shell=sh
# Keeps Sentinel from replacing a master whose host only starts later, after all hosts have lost power together.
#
#   xteam-redis-eligible booted ROLE          before an instance starts: with its host, it may not become master yet
#   xteam-redis-eligible wait ROLE SECONDS    it may as soon as it leads or follows, and after SECONDS in any case
#
# A replica may lack what its master acknowledged last. The master has it in its file, so its host is given the time.
set -eu
DIR=/run/xteam-redis

case "${1-} $#" in
"booted 2" | "wait 3") ;;
*)
    echo "usage: xteam-redis-eligible booted ROLE | wait ROLE SECONDS" >&2
    exit 2
    ;;
esac
role=$2

if [ "$1" = booted ]; then
    umask 022 # the instance reads it
    mkdir -p "$DIR"
    if [ -e "$DIR/$role.started" ]; then
        rm -f "$DIR/$role.conf"
    else
        echo "replica-priority 0" >"$DIR/$role.conf"
        touch "$DIR/$role.started"
    fi
    exit
fi

[ -e "$DIR/$role.conf" ] || exit 0
left=$3
while [ "$left" -gt 0 ]; do
    case "$(xteam-redis "$role" INFO replication 2>/dev/null || true)" in
    *role:master* | *master_link_status:up*) break ;;
    esac
    sleep 1
    left=$((left - 1))
done
rm -f "$DIR/$role.conf"
xteam-redis "$role" CONFIG SET replica-priority 100 >/dev/null

#!/usr/bin/env -S -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C.UTF-8 /bin/sh
# shellcheck shell=sh
# Hand one role's master over to a replica without losing an acknowledged write. Managed by xteam-infra.
#   xteam-redis-handover ROLE        on the host of its master
# SENTINEL FAILOVER alone leaves the old master taking writes until it is told to follow: those would be lost. So its
# clients wait meanwhile, and are then cut off: they come back to the new master.
set -eu
# shellcheck source=/dev/null
. /etc/xteam/programs/redis.env

role=${1:-}
for one in $REDIS_PORTS; do
    [ "${one%=*}" != "$role" ] || port=${one#*=}
done
if [ -z "${port:-}" ] || [ "$role" = sentinel ]; then
    echo "usage: xteam-redis-handover ROLE" >&2
    exit 2
fi
seconds=20

ask() { xteam-redis "$@" | tr -d '\r'; }
master() { ask sentinel SENTINEL GET-MASTER-ADDR-BY-NAME "$role" | head -n 1; }
fail() { echo "xteam-redis-handover: $role: $1; nothing was changed" >&2; exit 1; }

old=$(master)
[ "$old" = "$ADDRESS" ] || fail "the master is $old, not this host"
said=$(xteam-redis sentinel SENTINEL CKQUORUM "$role" 2>&1) || fail "$said"

# Every online replica has all the master has.
caught_up() {
    ask "$role" INFO replication | awk -F: '
        /^slave[0-9]+:.*state=online/ { sub(/.*offset=/, ""); sub(/,.*/, ""); offset[++online] = $0 }
        /^master_repl_offset:/ { wanted = $2 }
        END { for (i = 1; i <= online; i++) if (offset[i] != wanted) exit 1; exit !online }'
}

wait_for() {
    tries=0
    until "$@"; do
        tries=$((tries + 1))
        [ $tries -lt $((seconds * 5)) ] || return 1
        sleep 0.2
    done
}
# Refused while an earlier failover is being finished.
accepted() { said=$(xteam-redis sentinel SENTINEL FAILOVER "$role" 2>&1); }
moved() { now=$(master) && [ -n "$now" ] && [ "$now" != "$old" ]; }
follows() { ask "$role" INFO replication | grep -q '^master_link_status:up'; }

resume() { ask "$role" CLIENT UNPAUSE >/dev/null || true; }
trap resume EXIT
# Ends by itself should this script die.
ask "$role" CLIENT PAUSE $((seconds * 3000)) WRITE >/dev/null
wait_for caught_up || fail "no replica has caught up within $seconds s"
wait_for accepted || fail "Sentinel refuses: $said"
wait_for moved || fail "Sentinel made no new master within $seconds s"
# Waiting clients go before their writes could be carried out here. Sentinel says the same, later.
printf 'MULTI\nREPLICAOF %s %s\nCLIENT KILL TYPE normal\nEXEC\n' "$now" "$port" | xteam-redis "$role" >/dev/null
wait_for follows || { echo "xteam-redis-handover: $role: $now leads, but this host does not follow it yet" >&2; exit 1; }
echo "$role: $old handed over to $now"

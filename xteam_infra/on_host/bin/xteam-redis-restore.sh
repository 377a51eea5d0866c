#!/usr/bin/env -S -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C.UTF-8 /bin/sh
# shellcheck shell=sh
# One host's part of replacing a role's data by a snapshot. Managed by xteam-infra; tasks/restore_redis.py calls it.
#   fetch ROLE           on the master: copy the snapshot the backup host offers, check it, make it an append-only file
#   set-aside ROLE       on the replicas: stop, and move what they hold aside
#   replace ROLE         on the master: stop, move its data aside, start from the snapshot; the old data return if it fails
#   follow ROLE          on the replicas: start; they copy the master
# Nothing is deleted: what a role held is in /var/lib/redis/ROLE/before-TIME.
set -eu
# shellcheck source=/dev/null
. /etc/xteam/programs/redis.env

step=${1:-} role=${2:-}
known=
for one in $REDIS_PORTS; do
    [ "${one%=*}" != "$role" ] || [ "$role" = sentinel ] || known=$role
done
case "$step $known" in
"fetch $role" | "set-aside $role" | "replace $role" | "follow $role") ;;
*) known= ;;
esac
if [ -z "$known" ]; then
    echo "usage: xteam-redis-restore fetch|set-aside|replace|follow ROLE" >&2
    exit 2
fi
home=/var/lib/redis/$role
fetched=$home/fetched
unit=redis-server@$role.service
seconds=$BACKUP_SECONDS

say() { echo "$role on $(uname -n): $1"; }
fail() { echo "$role on $(uname -n): $1" >&2; exit 1; }
# Fails when Sentinel does not answer: taken for a replica, the master would be stopped.
is_master() {
    master=$(xteam-redis sentinel SENTINEL GET-MASTER-ADDR-BY-NAME "$role" | head -n 1)
    [ -n "$master" ] || fail "Sentinel does not say who is master; nothing was changed"
    [ "$master" = "$ADDRESS" ]
}
wait_for() { timeout "$seconds" sh -c "until $1; do sleep 0.3; done" 2>/dev/null; }

# A dump.rdb beside "appendonly yes" is not read: the instance would start empty, without a word. The snapshot becomes
# the base of an append-only file.
fetch() {
    is_master || { say "follows; nothing to fetch"; exit 0; }
    rm -rf "$fetched"
    install -d -m 700 "$fetched" "$fetched/appendonlydir"
    base=$fetched/appendonlydir/appendonly.aof.1.base.rdb
    # In the environment of a process of root, which root alone can read.
    REDISCLI_AUTH=$(cat "/etc/xteam/redis/$role.replica.pass")
    export REDISCLI_AUTH
    timeout "$seconds" redis-cli -h "$BACKUP" -p "$RESTORE_PORT" --tls --cacert "$CA" \
        --user replica --no-auth-warning -e --rdb "$base" >/dev/null || fail "the snapshot could not be copied"
    redis-check-rdb "$base" >/dev/null || fail "the snapshot is damaged; nothing was changed"
    : >"$fetched/appendonlydir/appendonly.aof.1.incr.aof"
    printf 'file appendonly.aof.1.base.rdb seq 1 type b\nfile appendonly.aof.1.incr.aof seq 1 type i\n' \
        >"$fetched/appendonlydir/appendonly.aof.manifest"
    redis-check-aof "$fetched/appendonlydir/appendonly.aof.manifest" >/dev/null || fail "the append-only file is not valid; nothing was changed"
    cp "$base" "$fetched/dump.rdb"
    chown -R redis:redis "$fetched"
    say "fetched $(stat -c %s "$base") bytes"
}

aside() {
    kept=$home/before-$(date -u +%Y%m%dT%H%M%SZ)
    install -d -o redis -g redis -m 700 "$kept"
    for name in appendonlydir dump.rdb; do
        [ ! -e "$home/$name" ] || mv "$home/$name" "$kept/"
    done
    say "what it held is in $kept"
}

case "$step" in
fetch) fetch ;;
set-aside)
    ! is_master || { say "leads; goes on serving for now"; exit 0; }
    systemctl stop "$unit"
    aside
    ;;
replace)
    [ -e "$fetched/dump.rdb" ] || { say "nothing was fetched here"; exit 0; }
    systemctl stop "$unit"
    aside
    mv "$fetched/appendonlydir" "$fetched/dump.rdb" "$home/"
    rmdir "$fetched"
    systemctl reset-failed "$unit" 2>/dev/null || true
    if ! systemctl start "$unit" || ! wait_for "xteam-redis $role PING 2>/dev/null | grep -qx PONG"; then
        systemctl stop "$unit"
        rm -rf "$home/appendonlydir" "$home/dump.rdb"
        find "$kept" -mindepth 1 -maxdepth 1 -exec mv -t "$home" {} +
        systemctl start "$unit"
        fail "it did not start from the snapshot; it has its old data again. Run deploys/redis.py to start the replicas"
    fi
    say "$(xteam-redis "$role" INFO keyspace | grep -c '^db') databases, $(xteam-redis "$role" INFO keyspace | sed -n 's/.*keys=\([0-9]*\).*/\1/p' | paste -sd+ | sed 's/^$/0/') keys"
    ;;
follow)
    ! systemctl is-active -q "$unit" || { say "serves"; exit 0; }
    systemctl start "$unit"
    wait_for "xteam-redis $role INFO replication 2>/dev/null | grep -q ^master_link_status:up" || fail "no link to the master within $seconds s"
    say "follows"
    ;;
esac

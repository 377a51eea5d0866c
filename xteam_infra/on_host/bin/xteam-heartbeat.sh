#!/usr/bin/env -S -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C.UTF-8 /bin/bash
# shellcheck shell=bash
# Writes a row of xteam_ops.heartbeat again and again if this member leads; says in a metric how old the last one that
# arrived here is. Managed by xteam-infra.
# What is written here need not wait for a replica: it is what tells that replicas are late.
export PGOPTIONS='-c synchronous_commit=local -c statement_timeout=5s' PGCONNECT_TIMEOUT=3
as_server() { setpriv --reuid=postgres --regid=postgres --init-groups "$@"; }
if [ $# -gt 0 ]; then
    echo 'usage: xteam-heartbeat   writes heartbeats until it is ended'
    [ "$1" = --help ]
    exit
fi
# shellcheck source=/dev/null
. /etc/xteam/programs/postgres.env
# shellcheck disable=SC2153 # from the settings
metrics=$METRICS
cd / || exit 1

# When the host of both leaders is lost, etcd's next leader grants every lease its whole life again, and PostgreSQL's
# next leader waits for that. So etcd is led from another host than PostgreSQL.
lead_apart() {
    local status own leader
    export XTEAM_ETCD_ENDPOINTS=https://127.0.0.1:$ETCD_PORT
    # Its key is the server's account's, and this unit's root reads nothing of others.
    as_server curl -sf -m 3 -o /dev/null \
        --cacert "$CA" --cert "$CLIENT_CERTIFICATE" --key "$CLIENT_KEY" "https://127.0.0.1:$REST_PORT/primary" || return 0
    status=$(xteam-etcdctl endpoint status -w fields) || return 0
    own=$(sed -n 's/^"MemberID" : //p' <<< "$status") leader=$(sed -n 's/^"Leader" : //p' <<< "$status")
    [ -n "$own" ] && [ "$own" = "$leader" ] || return 0
    own=$(printf %x "$own")
    for other in $(xteam-etcdctl member list | awk -F', ' -v own="$own" '$2 == "started" && $1 != own { print $1 }'); do
        xteam-etcdctl move-leader "$other" >/dev/null && return 0
    done
}
beats=0

while :; do
    if last=$(as_server timeout 8 psql -XAtq -d "$DATABASE" -c 'SELECT xteam_ops.beat()') && [ -n "$last" ]; then
        {
            echo '# HELP xteam_heartbeat_last_timestamp_seconds Newest heartbeat of the PostgreSQL leader that has arrived on this member.'
            echo '# TYPE xteam_heartbeat_last_timestamp_seconds gauge'
            echo "xteam_heartbeat_last_timestamp_seconds $last"
        } > "$metrics.new" && chmod 644 "$metrics.new" && mv -f "$metrics.new" "$metrics"
    fi
    [ -z "$ETCD_PORT" ] || [ $((beats++ % 3)) != 0 ] || lead_apart
    sleep "$SECONDS_BETWEEN"
done

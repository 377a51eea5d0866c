#!/usr/bin/env -S -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C.UTF-8 /bin/sh
# shellcheck shell=sh
# Gives the edges' common address to another edge without cutting a request, before this host is rebooted.
#
#   xteam-edge-leave now     connections end with their next answer, new ones wait for a moment, then the address goes
#   xteam-edge-leave back    share the address again
#
# Nobody is refused meanwhile: the first packet of a new connection is dropped, its sender repeats it a second later, and
# by then another edge has the address. WebSockets and transfers that are under way are cut, as by any hand-over.
set -eu
TABLE=xteam_leave
# What idles ends with the client's next request, or after this time (timeout http-keep-alive).
IDLE_SECONDS=35
UNDER_WAY_SECONDS=2

case "${1-}" in
now | back) ;;
*)
    echo "usage: xteam-edge-leave now|back" >&2
    exit 2
    ;;
esac
if [ "$1" = back ]; then
    nft delete table inet "$TABLE" 2>/dev/null || true
    xteam-edge del map virt@leaving leaving >/dev/null || true
    exec systemctl start keepalived.service
fi

open_connections() { ss -Htn state established '( sport = :443 or sport = :80 )' | awk '{ print $4 }' | sort; }
still_open() { open_connections | grep -cxF "$1" || true; }

# The edge says in every answer that the connection ends with it.
xteam-edge add map virt@leaving leaving 1 >/dev/null
before=$(open_connections)
until=$(($(date +%s) + IDLE_SECONDS))
while [ -n "$before" ] && [ "$(still_open "$before")" -gt 0 ] && [ "$(date +%s)" -lt $until ]; do sleep 0.2; done

nft -f - <<END
table inet $TABLE
delete table inet $TABLE
table inet $TABLE {
    chain input {
        type filter hook input priority -200; policy accept;
        iif != "lo" tcp dport { 80, 443 } tcp flags & (syn | ack) == syn drop
    }
}
END
until=$(($(date +%s) + UNDER_WAY_SECONDS))
while [ -n "$(open_connections)" ] && [ "$(date +%s)" -lt $until ]; do sleep 0.1; done
echo "$(open_connections | grep -c . || true) connections are left"
systemctl stop keepalived.service

#!/usr/bin/env -S -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C.UTF-8 /bin/sh
# shellcheck shell=sh
# Packets that the firewall has refused since it was loaded, for Prometheus' node exporter.
set -eu
if [ $# != 1 ] || [ "$1" = --help ]; then
    echo 'usage: xteam-firewall-metrics FILE   writes how many packets were refused'
    [ "${1:-}" = --help ]
    exit
fi
target=$1
umask 022
new=$(mktemp "$target.XXXXXX")
trap 'rm -f "$new"' EXIT
count() {
    nft list counter inet xteam "$1" | awk -v name="xteam_firewall_$1_packets_total" -v help="$2" '
        {for (i = 1; i < NF; i++) if ($i == "packets") found = $(i + 1)}
        END {
            if (found == "") exit 1
            print "# HELP " name " " help
            print "# TYPE " name " counter"
            print name, found
        }'
}
count outbound_refused 'Packets to where nothing on this host may go.' > "$new"
count peers_refused 'Connections of hosts that have as many as they may have to a port of this one.' >> "$new"
chmod 644 "$new"
mv -f "$new" "$target"

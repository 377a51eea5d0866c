#!/usr/bin/env -S -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C.UTF-8 /bin/sh
# Packets that the firewall has refused since it was loaded, for Prometheus' node exporter.
set -eu
target=${1:-/var/lib/prometheus/node-exporter/xteam-firewall.prom}
umask 022
new=$(mktemp "$target.XXXXXX")
trap 'rm -f "$new"' EXIT
nft list counter inet xteam outbound_refused | awk '
    {for (i = 1; i < NF; i++) if ($i == "packets") found = $(i + 1)}
    END {
        if (found == "") exit 1
        name = "xteam_firewall_outbound_refused_packets_total"
        print "# HELP " name " Packets to where nothing on this host may go."
        print "# TYPE " name " counter"
        print name, found
    }' > "$new"
chmod 644 "$new"
mv -f "$new" "$target"

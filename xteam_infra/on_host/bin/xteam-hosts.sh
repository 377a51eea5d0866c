#!/usr/bin/env -S -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C.UTF-8 /bin/sh
# shellcheck shell=sh
# Keeps the estate's names in /etc/hosts: a marked block at its beginning, from /etc/xteam/hosts.
#
#   xteam-hosts          write the block, unless /etc/hosts is as wanted
#   xteam-hosts check    status 0 when it is as wanted; changes nothing
#
# Every other line belongs to whoever wrote it: the user, cloud-init, a DHCP client. Where another line gives a name of
# the block another address, the name is taken out of it, and the line as it was stays beside it as a comment.
set -eu
block=${XTEAM_HOSTS_BLOCK:-/etc/xteam/hosts}
hosts=$(readlink -f "${XTEAM_HOSTS_FILE:-/etc/hosts}")
new=$(dirname "$hosts")/.$(basename "$hosts").new

merged() {
    awk '
        # A line of somebody else, without the names that are ours.
        function foreign(line,    i, kept, names, lost, other) {
            $0 = line
            kept = $1
            names = lost = other = 0
            for (i = 2; i <= NF && $i !~ /^#/; i++) {
                if (!($i in address)) { kept = kept " " $i; names++ }
                else { lost++; if (address[$i] != $1) other++ }
            }
            if (!lost || $1 ~ /^#/) { print line; return }
            if (other) print "# xteam-infra: was: " line
            for (; i <= NF; i++) kept = kept " " $i
            if (names) print kept
        }
        NR == FNR {
            print
            if ($1 !~ /^#/) for (i = 2; i <= NF; i++) address[$i] = $1
            next
        }
        /^# BEGIN xteam-infra$/ { for (i = 1; i <= held; i++) foreign(lines[i]); held = 0; inside = 1; next }
        # Without the first mark, or without the second one, nothing is known to be ours.
        /^# END xteam-infra$/ { held = inside = 0; next }
        inside { lines[++held] = $0; next }
        { foreign($0) }
        END { for (i = 1; i <= held; i++) foreign(lines[i]) }
    ' "$block" "$hosts"
}

umask 022
[ -e "$hosts" ] || : > "$hosts"
if [ "${1-}" = check ]; then
    merged | cmp -s - "$hosts"
    exit
fi
trap 'rm -f "$new"' EXIT
merged > "$new"
cmp -s "$new" "$hosts" || mv -fT "$new" "$hosts"

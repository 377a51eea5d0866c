#!/usr/bin/env -S -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C.UTF-8 /bin/bash
# shellcheck shell=bash
# What this host talks to, and whether it still can: a new ruleset must not cut what works.
#
#   xteam-firewall-probe          prints NAME, or HOST PORT UID, of what can be resolved or connected to now
#   xteam-firewall-probe FILE     tries those of the file again; prints those that can't be any more, status 1 if any
#
# Tried are the package mirrors and their names, and what processes are connected to on other hosts.
set -u

connections() {
    local listening
    listening=$(ss -Hltn | awk '{print $4}' | sed 's/.*://' | sort -u | tr '\n' ' ')
    ss -Htne state established | awk -v listening=" $listening" '
        {
            own = peer = $3; peer = $4; port = peer; from = own; uid = 0
            sub(/.*:/, "", from); sub(/.*:/, "", port); sub(/:[0-9]*$/, "", peer); sub(/:[0-9]*$/, "", own)
            gsub(/[][]/, "", peer); gsub(/[][]/, "", own)
            for (i = 5; i <= NF; i++) if ($i ~ /^uid:/) uid = substr($i, 5)
            if (index(listening, " " from " ") || peer == own || peer ~ /^(127\.|::1$|::ffff:127\.)/) next
            print peer, port, uid
        }' | sort -u | head -n 60
}

names() {
    sed -n 's|^deb .*https\{0,1\}://\([^/: ]*\).*|\1|p; s|^URIs:.*https\{0,1\}://\([^/: ]*\).*|\1|p' \
        /etc/apt/sources.list /etc/apt/sources.list.d/* 2>/dev/null | sort -u
}

# Where apt goes: its proxy, or the mirrors themselves.
mirrors() {
    local found
    found=$(apt-config dump --format '%v%n' Acquire::http::Proxy Acquire::https::Proxy 2>/dev/null | grep '://')
    # shellcheck disable=SC2016 # apt's own format
    [ -n "$found" ] || found=$(apt-get indextargets --format '$(SITE)' 2>/dev/null)
    echo "$found" | sed -nE 's#^(https?)://([^/@]*@)?(\[([^]]*)\]|([^/:]+))(:([0-9]+))?.*#\4\5 \7 \1#p' |
        awk -v uid="$(id -u _apt)" '{print $1, NF == 3 ? $2 : $2 == "https" ? 443 : 80, uid}' | sort -u
}

works() {
    if [ $# = 1 ]; then
        timeout 5 getent ahosts "$1" >/dev/null
    else
        timeout 3 setpriv --reuid "$3" --clear-groups bash -c "</dev/tcp/$1/$2" 2>/dev/null
    fi
}

# Those lines of standard input for which `works` says what is wanted: 0 or 1.
such() {
    local wanted=$1 found
    local -a words
    while read -ra words; do
        (
            found=0
            works "${words[@]}" || { sleep 1 && works "${words[@]}"; } || found=1
            [ "$found" != "$wanted" ] || echo "${words[*]}"
        ) &
    done
    wait
}

if [ $# = 0 ]; then
    { names; mirrors; connections; } | such 0
else
    lost=$(such 1 < "$1")
    [ -z "$lost" ] || { echo "$lost"; exit 1; }
fi

#!/usr/bin/env -S -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C.UTF-8 /bin/sh
# shellcheck shell=sh
# Backups of what users stored on this host. Managed by xteam-infra.
set -eu
umask 077
# shellcheck source=/dev/null
. /etc/xteam/programs/files.env

# shellcheck disable=SC2153 # from the settings
state=$STATE
# shellcheck disable=SC2153 # from the settings
metrics=$METRICS
export RESTIC_REPOSITORY="rest:https://$KEEPER:$PROXY_PORT/$NAME/"
export RESTIC_PASSWORD_FILE="$PASSWORD_FILE"

usage() {
    cat <<'TEXT'
usage: xteam-files list                        what is kept
       xteam-files restore [SNAPSHOT [PATH]]   put back what is missing; overwrites nothing (default: latest, everything)
       xteam-files backup                      back up now
       xteam-files prove                       restore the newest backup beside, and compare each byte
       xteam-files init                        make this host's repository on the backup host
       xteam-files done init|backup|prove      whether that has succeeded
Run as root. The backup host's server lets this host add, and nothing else.
TEXT
}

restic_() {
    restic --no-cache --quiet --cacert "$CA" --tls-client-cert "$CLIENT" "$@"
}

note() { # NAME: it has succeeded just now
    date +%s > "$state/$1.new"
    mv -f "$state/$1.new" "$state/$1"
    for job in backup prove; do
        [ ! -e "$state/$job" ] || echo "xteam_files_${job}_success_timestamp_seconds $(cat "$state/$job")"
    done > "$metrics/.xteam-files.new"
    chmod 644 "$metrics/.xteam-files.new"
    mv -f "$metrics/.xteam-files.new" "$metrics/xteam-files.prom"
}

backup() {
    # shellcheck disable=SC2086 # one word a directory
    restic_ backup --host "$NAME" --tag files $DIRECTORIES
    note backup
}

prove() {
    rm -rf "$state/proof"
    # --verify reads every restored file again and compares it with the digests in the snapshot.
    restic_ restore latest --target "$state/proof" --verify
    kept=$(restic_ ls latest --json | grep -c '"type":"file"' || true)
    found=$(find "$state/proof" -type f | wc -l)
    rm -rf "$state/proof"
    [ "$kept" = "$found" ] || { echo "of $kept files $found came back" >&2; exit 1; }
    echo "$found files came back, each byte as it was"
    printf '{"files": %s, "completed": %s}\n' "$found" "$(date +%s)" > "$state/proof.json"
    note prove
}

case ${1:-} in
    list) shift; restic_ snapshots "$@" ;;
    init) restic_ init ;;
    backup) backup ;;
    prove) prove ;;
    restore) restic_ restore "${2:-latest}" --target / --overwrite never ${3:+--include "$3"} ;;
    done)
        case ${2:-} in
            init) restic_ cat config >/dev/null 2>&1 ;;
            # And the node exporter, which is nobody in particular, has been told.
            *) [ -e "$state/${2:?what}" ] && runuser -u nobody -- grep -qs "^xteam_files_$2_success" "$metrics/xteam-files.prom" ;;
        esac ;;
    *) usage; [ "${1:-}" = --help ] ;;
esac

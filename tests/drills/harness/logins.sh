#!/bin/bash
# Logs in again and again until $STOP is there, on each of $PORTS: "present" with the credentials that the file
# $ENVIRONMENT names at that moment, "first" with those it named in the beginning. Prints seconds since 1970, whose
# credentials, user, port, and "ok" or what was said.
credentials() { sed -n 's/^POSTGRES_\(USER\|PASSWORD\)="\(.*\)"$/\2/p' "$ENVIRONMENT"; } # both lines at one moment
login() { # whose user password port
    said=$(PGPASSWORD=$3 PGPORT=$4 PGUSER=$2 timeout 20 psql -XAtqwc "SELECT 'ok'" 2>&1)
    printf '%s %s %s %s %s\n' "$(date +%s.%N)" "$1" "$2" "$4" "${said//$'\n'/ }"
}
first=$(credentials)
while [ ! -e "$STOP" ]; do
    for port in $PORTS; do
        present=$(credentials)
        login present "${present%%$'\n'*}" "${present##*$'\n'}" "$port"
        login first "${first%%$'\n'*}" "${first##*$'\n'}" "$port"
    done
done

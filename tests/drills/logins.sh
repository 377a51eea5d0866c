#!/bin/bash
# Logs in again and again until $STOP is there, with the credentials $ENVIRONMENT names at that moment, and with those
# it named at first; prints time, whose credentials, user, port, and ok or what was said. Standard tools only.
value() { sed -n "s/^$1=\"\(.*\)\"\$/\1/p" "$ENVIRONMENT"; }
login() { # who user password port
    said=$(PGPASSWORD=$3 PGPORT=$4 PGUSER=$2 timeout 20 psql -XAtqwc "SELECT 'ok'" 2>&1)
    printf '%s %s %s %s %s\n' "$(date +%s.%N)" "$1" "$2" "$4" "${said//$'\n'/ }"
}
read -r user password < <(echo "$(value POSTGRES_USER) $(value POSTGRES_PASSWORD)")
while [ ! -e "$STOP" ]; do
    for port in $PORTS; do
        # Both lines at one moment: the file is replaced as a whole.
        both=$(sed -n 's/^POSTGRES_\(USER\|PASSWORD\)="\(.*\)"$/\2/p' "$ENVIRONMENT")
        login present "${both%%$'\n'*}" "${both##*$'\n'}" "$port"
        login first "$user" "$password" "$port"
    done
done

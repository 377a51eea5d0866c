#!/bin/bash
# Inserts numbers through this host's PgBouncer for $1 seconds; prints each acknowledged one with its time.
# The environment says how to connect. Standard tools only.
end=$((SECONDS + $1))
for ((number = 1; SECONDS < end; number++)); do
    if timeout 10 psql -XAtqw -c "INSERT INTO $TABLE VALUES ($number)" 2>/dev/null; then
        echo "$number $(date +%s.%N)"
    fi
done

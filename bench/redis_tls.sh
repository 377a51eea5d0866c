#!/usr/bin/env bash
# What TLS and ACL users cost Redis, and what io-threads change: redis-benchmark against scratch instances.
# Run as root on a Redis host of an estate; touches none of its instances:  python -m lab ssh redis1 sudo bash -s < bench/redis_tls.sh
# One line of JSON a variant: requests per second of SET and GET, 50 clients, one request at a time each.
set -euo pipefail
requests=${REQUESTS:-100000}
work=$(mktemp -d)
trap 'kill $(jobs -p) 2>/dev/null || true; rm -rf "$work"' EXIT
password=$(head -c 24 /dev/urandom | base64 | tr -d '/+=')
hash=$(printf %s "$password" | sha256sum | cut -c1-64)
printf 'user default off\nuser app on #%s ~bench* -@all +@read +@write +@connection +config|get\n' "$hash" >"$work/acl"
sed 's/~bench\*/~*/' "$work/acl" >"$work/acl.all"
pki=/etc/xteam/pki

measure() { # NAME TLS ACL IO_THREADS
    local port=7399 server=(--bind 127.0.0.1 --save '' --appendonly no --dir "$work" --io-threads "$4" --protected-mode no) client=(-h 127.0.0.1 -p 7399)
    if [ "$2" = tls ]; then
        server+=(--port 0 --tls-port $port --tls-cert-file $pki/redis-cache.crt --tls-key-file $pki/redis-cache.key --tls-ca-cert-file $pki/ca.crt --tls-auth-clients no)
        client+=(--tls --cacert $pki/ca.crt)
    else
        server+=(--port $port)
    fi
    if [ "$3" = acl ]; then
        server+=(--aclfile "$work/acl.all")
        client+=(--user app)
        export REDISCLI_AUTH=$password
    else
        unset REDISCLI_AUTH
    fi
    redis-server "${server[@]}" >/dev/null &
    local pid=$!
    until redis-cli "${client[@]}" ping 2>/dev/null | grep -q PONG; do sleep 0.1; done
    local said
    # redis-benchmark takes a password as an argument only; this one dies with the scratch instance.
    said=$(redis-benchmark "${client[@]}" ${REDISCLI_AUTH:+-a "$password"} -n "$requests" -c 50 -d 100 -t set,get --csv 2>/dev/null)
    kill $pid && wait $pid 2>/dev/null || true
    awk -F'"' -v name="$1" -v threads="$4" '/^"(SET|GET)"/ { rate[$2] = $4 }
        END { printf "{\"variant\": \"%s\", \"io_threads\": %s, \"set\": %d, \"get\": %d}\n", name, threads, rate["SET"], rate["GET"] }' <<<"$said"
}

measure plain no no 1
measure tls tls no 1
measure tls+acl tls acl 1
measure tls+acl tls acl 2

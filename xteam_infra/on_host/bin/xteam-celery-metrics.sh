#!/usr/bin/env -S -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C.UTF-8 /bin/sh
# shellcheck shell=sh
# Figures of queues, workers and Beat for Prometheus' node exporter. Managed by xteam-infra.
set -eu
if [ $# -gt 0 ]; then
    echo 'usage: xteam-celery-metrics   writes the figures of queues, workers and Beat'
    [ "$1" = --help ]
    exit
fi
# shellcheck source=/dev/null
. /etc/xteam/programs/celery.env

target=$METRICS
# People and the timer may run this at once.
new=$(mktemp "$target.XXXXXX")
trap 'rm -f "$new"' EXIT
# A worker is alive that has run one of its last two probes.
# shellcheck disable=SC2086 # WORKERS: one word a worker
xteam-run -m xteam_runtime.metrics --alive-seconds "$ALIVE_SECONDS" $WORKERS >"$new"
chmod 644 "$new"
mv -f "$new" "$target"

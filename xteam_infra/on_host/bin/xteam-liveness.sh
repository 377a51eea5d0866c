#!/usr/bin/env -S -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C.UTF-8 /bin/sh
# shellcheck shell=sh
# Managed by xteam-infra.
# Sends a task to each worker of this host and restarts those that do not run it, or that have left one of their queues.
if [ $# -gt 0 ]; then
    echo 'usage: xteam-liveness   restarts the workers of this host that take no tasks'
    [ "$1" = --help ]
    exit
fi
# shellcheck source=/dev/null
. /etc/xteam/programs/celery.env

# shellcheck disable=SC2086 # WORKERS: one word a worker
silent=$(xteam-run -m xteam_runtime.liveness --queues $WORKERS)
case $? in
    0) exit 0 ;;
    # The queue itself is away; a restart would not help.
    3) exit 0 ;;
    1) [ -n "$silent" ] || exit 1 ;;
    *) exit 1 ;;
esac
echo "$silent" | while read -r name why; do
    echo "worker $name $why: restarting it"
    # try-: one that an operator has stopped stays so. Not waited for: one that hangs takes its stop timeout.
    systemctl --no-block try-restart "xteam-worker@$name.service"
done

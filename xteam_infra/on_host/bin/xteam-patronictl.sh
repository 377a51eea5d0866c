#!/usr/bin/env -S -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C.UTF-8 XTEAM_TIMEOUT=${XTEAM_TIMEOUT} TERM=${TERM} /bin/sh
# shellcheck shell=sh
# patronictl with this host's configuration. Never without a limit: it waits for ever for an etcd that does not answer.
# A host has one cluster, named by PostgreSQL's version. XTEAM_TIMEOUT: seconds. Managed by xteam-infra.
exec timeout --foreground "${XTEAM_TIMEOUT:-60}" patronictl -c /etc/patroni/[0-9]*-main.yml "$@"

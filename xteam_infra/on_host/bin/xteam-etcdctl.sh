#!/usr/bin/env -S -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C.UTF-8 XTEAM_ETCD_ENDPOINTS=${XTEAM_ETCD_ENDPOINTS} /bin/sh
# shellcheck shell=sh
# etcdctl as etcd's user root, over all members; XTEAM_ETCD_ENDPOINTS names others. Managed by xteam-infra.
# Never without a limit: a client of an etcd that does not answer waits for ever.
# shellcheck source=/dev/null
. /etc/xteam/programs/etcd.env

exec timeout 20 etcdctl --dial-timeout=2s --command-timeout=5s --endpoints="${XTEAM_ETCD_ENDPOINTS:-$ENDPOINTS}" \
  --cacert="$CA" --cert="$ROOT_CERTIFICATE" --key="$ROOT_KEY" "$@"

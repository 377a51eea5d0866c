#!/usr/bin/env -S -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C.UTF-8 /bin/sh
# shellcheck shell=sh
# List and replay failed tasks: xteam-deadletters --help. Managed by xteam-infra.
exec xteam-run -m xteam_runtime.deadletters "$@"

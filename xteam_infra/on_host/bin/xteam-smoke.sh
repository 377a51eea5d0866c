#!/usr/bin/env -S -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C.UTF-8 /bin/sh
# shellcheck shell=sh
# What a user does, once: xteam-smoke --connect ADDRESS:PORT [--server-name NAME] [--without-task]. For root.
# Managed by xteam-infra.
set -eu
# shellcheck source=/dev/null
. /etc/xteam/programs/app.env

exec xteam-run -m xteam_runtime.smoke --name "$DOMAIN" --ca "$CA" --manage "$MANAGE_MODULE" "$@"

#!/bin/sh
# shellcheck shell=sh
# The Python of the release in use. Managed by xteam-infra.
# The link is resolved here, once: a process never mixes the modules of two releases.
# -P: nothing is imported from where it is called.
exec "$(/usr/bin/readlink -f /opt/xteam/current)/venv/bin/python" -P "$@"

# Shared by the commands in this directory; sourced, not run.
# shellcheck shell=bash
set -euo pipefail
export LC_ALL=C.UTF-8
cd "$(dirname "${BASH_SOURCE[0]}")/.."

# What is needed of Debian 12 or 13 beyond git and python3: by tests/unit and tests/repo, and by a lab beside it.
TEST_PACKAGES=(ca-certificates nftables openssh-client openssl python3-venv shellcheck)
LAB_PACKAGES=(debian-archive-keyring e2fsprogs iproute2 mmdebstrap procps systemd-container)

# Ctrl-C ends the whole command: pyinfra would turn it into success.
trap 'exit 130' INT
trap 'exit 143' TERM

die() {
    printf '%s: %s\n' "${0##*/}" "$*" >&2
    exit 1
}

# step TEXT COMMAND...: say what is done and how many seconds it took.
step() {
    local text=$1 started=$EPOCHREALTIME
    shift
    printf '==> %s\n' "$text"
    "$@"
    awk -v a="$started" -v b="$EPOCHREALTIME" -v text="$text" 'BEGIN { printf "==> %s: %.1f s\n", text, b - a }'
}

require_root() {
    [ "$(id -u)" = 0 ] || die "needs root, to install packages and to boot the lab: sudo $0"
}

# install_debian_packages NAME...: those that are missing.
install_debian_packages() {
    local missing=() name
    for name in "$@"; do
        dpkg-query -W -f '${db:Status-Status}' "$name" 2>/dev/null | grep -qx installed || missing+=("$name")
    done
    [ ${#missing[@]} -gt 0 ] || return 0
    command -v apt-get >/dev/null || die "not a Debian machine; install by hand: ${missing[*]}"
    printf 'installing %s\n' "${missing[*]}"
    export DEBIAN_FRONTEND=noninteractive
    quietly apt-get -q update
    quietly apt-get -q -y install --no-install-recommends "${missing[@]}"
}

# quietly COMMAND...: show the output only when the command fails.
quietly() {
    local log
    log=$(mktemp)
    if ! "$@" >"$log" 2>&1 </dev/null; then
        cat "$log" >&2
        rm -f "$log"
        die "failed: $*"
    fi
    rm -f "$log"
}

# The Python packages of requirements.lock, exactly those, each checked against its hash.
make_environment() {
    local digest stamp=.venv/lock.sha256
    digest=$(sha256sum requirements.lock | cut -d' ' -f1)
    if [ -x .venv/bin/python ] && [ "$(cat $stamp 2>/dev/null)" = "$digest" ]; then
        return 0
    fi
    [ -x .venv/bin/python ] || python3 -m venv .venv
    if ! [ -x .venv/bin/uv ]; then
        local uv_lock
        uv_lock=$(mktemp)
        # uv's own entry of the lock: its line and the hashes that follow, indented.
        awk '/^[^ #]/ { mine = /^uv==/ } mine' requirements.lock >"$uv_lock"
        quietly .venv/bin/python -m pip install --require-hashes --no-deps -r "$uv_lock"
        rm -f "$uv_lock"
    fi
    # A company's certificate authority in the system's store is good enough for uv too.
    UV_SYSTEM_CERTS=${UV_SYSTEM_CERTS-1} VIRTUAL_ENV=$PWD/.venv \
        quietly .venv/bin/uv pip sync --require-hashes --compile-bytecode requirements.lock
    printf '%s\n' "$digest" >$stamp
}

# promtool alone: installing the package would start a Prometheus on this machine.
unpack_promtool() {
    [ ! -x build/tools/promtool ] && ! command -v promtool >/dev/null || return 0
    local work
    work=$(mktemp -d)
    chmod 755 "$work"
    if ! (cd "$work" && quietly apt-get -q download prometheus && dpkg-deb --fsys-tarfile prometheus_*.deb | tar x ./usr/bin/promtool); then
        rm -rf "$work"
        return 1
    fi
    mkdir -p build/tools
    mv "$work/usr/bin/promtool" build/tools/
    rm -rf "$work"
}

prepare() {
    require_root
    step "install Debian packages" install_debian_packages "${TEST_PACKAGES[@]}" "${LAB_PACKAGES[@]}"
    step "make the Python environment" make_environment
    step "unpack promtool" unpack_promtool
    PATH=$PWD/.venv/bin:$PATH:/usr/sbin:/sbin
}

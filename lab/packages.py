"""The package layer: apt's lists and the .deb files the estate installs, downloaded once for all hosts.

It is a second read-only layer over the image, with /var/lib/apt and /var/cache/apt only. Each host still runs the
real apt; it finds fresh lists and the files already in its archive directory.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import time
from pathlib import Path
from uuid import uuid4

from lab import image, state
from lab.errors import LabError
from lab.shell import run, say, step

# What the layers install on a bare host. It may be incomplete: then a host downloads what is missing by itself,
# and `harvest` keeps it.
PACKAGES = [
    "acl",
    "audispd-plugins",
    "auditd",
    "ca-certificates",
    "chrony",
    "clevis",
    "curl",
    "etcd-client",
    "etcd-server",
    "fscrypt",
    "git",
    "haproxy",
    "keepalived",
    "libpq5",
    "nftables",
    "openssl",
    "patroni",
    "pgbackrest",
    "pgbouncer",
    "postgresql-17",
    "postgresql-17-pgaudit",
    "postgresql-client-17",
    "prometheus-redis-exporter",
    "python3",
    "python3-etcd",
    "python3-psycopg",
    "python3-venv",
    "redis-sentinel",
    "redis-server",
    "redis-tools",
    "restic",
    "rsync",
    "socat",
    "systemd-journal-remote",
    "tang",
    "unattended-upgrades",
    "zstd",
]

_FRESH = 24 * 3600  # seconds; a day-old list may name files a mirror no longer has
_LATELY = 3600  # seconds
_KEPT = ("var/lib/apt/lists", "var/lib/apt/periodic", "var/cache/apt")
_ARCHIVES = "var/cache/apt/archives"


def ensure(base: str) -> str:
    """Return the name of a layer that fits the image and today's package list, making it first if needed.

    A layer is never changed once it is there (hosts may be running on it); a newer one takes its place.
    """
    with state.lock("packages", state.CACHE):
        pool = sorted(path.name for path in _pool().glob("*.deb"))
        digest = hashlib.sha256(json.dumps([base, PACKAGES]).encode()).hexdigest()[:12]
        for layer in sorted(_layers().glob(f"{digest}-*"), reverse=True):
            made = json.loads((layer / "layer.json").read_text()) if (layer / "layer.json").exists() else {}
            if made and time.time() - made["made"] < _FRESH and set(pool) <= set(made["files"]):
                os.utime(layer)
                return layer.name
        layer = _layers() / f"{digest}-{int(time.time())}"
        with step(f"download {len(PACKAGES)} packages and what they need"):
            _build(layer, image.root_of(base))
        return layer.name


def root_of(layer: str) -> Path:
    """Directory of a layer's files."""
    return _layers() / layer / "root"


def harvest(host_upper: Path) -> None:
    """Keep the .deb files a host downloaded by itself, so that the next layer has them."""
    for deb in (host_upper / _ARCHIVES).glob("*.deb"):
        if deb.is_file() and not (_pool() / deb.name).exists():
            _pool().mkdir(parents=True, exist_ok=True)
            # Other hosts, and other labs, may be keeping the same one now.
            new = _pool() / f".{deb.name}.{uuid4().hex}"
            shutil.copy2(deb, new)
            new.rename(_pool() / deb.name)


def forget_unused() -> None:
    """Remove layers and images that no lab runs on, except the newest layer, its image, and any taken lately."""
    labs = [state.load(name) for name in state.lab_names()]
    layers = sorted(_layers().glob("*-*"), key=lambda path: path.name.rpartition("-")[2])
    used = {lab.packages for lab in labs} | {path.name for path in layers[-1:]}
    used |= {lab.image for lab in labs} | {image.key()}
    for path in [*layers, *(state.CACHE / "images").glob("*")]:
        # Another `up` may have just chosen it and not yet have written its record.
        if path.name not in used and time.time() - path.stat().st_mtime > _LATELY:
            shutil.rmtree(path, ignore_errors=True)


def _build(layer: Path, base: Path) -> None:
    """Let the image's own apt download into an overlay of the image; keep what it downloaded."""
    work = _layers() / ".making"
    shutil.rmtree(work, ignore_errors=True)
    upper, merged = work / "upper", work / "merged"
    for path in (upper / _ARCHIVES, work / "work", merged):
        path.mkdir(parents=True)
    for deb in _pool().glob("*.deb"):
        os.link(deb, upper / _ARCHIVES / deb.name)
    image.write(upper / "etc/resolv.conf", image.resolv_conf())
    script = f"""
mount -t overlay overlay -o lowerdir={base},upperdir={upper},workdir={work}/work {merged}
mount --bind /proc {merged}/proc
exec chroot {merged} sh -ec '
export DEBIAN_FRONTEND=noninteractive
apt-get -q update
touch /var/lib/apt/periodic/update-success-stamp
get() {{ apt-get -q -y -d --no-install-recommends install "$@"; }}
get "$@" || for package in "$@"; do get "$package" || echo "no package $package" >&2; done
apt-get -q autoclean' sh {" ".join(PACKAGES)}
"""
    # In a mount namespace of its own: nothing stays mounted, whatever happens.
    run(["unshare", "--mount", "sh", "-ec", script])
    for path in (upper / _ARCHIVES).glob("*.deb"):
        if not (_pool() / path.name).exists():
            _pool().mkdir(parents=True, exist_ok=True)
            os.link(path, _pool() / path.name)
    _drop_superseded(upper)
    _keep(upper, layer)
    shutil.rmtree(work, ignore_errors=True)


def _drop_superseded(upper: Path) -> None:
    """Remove from the pool what autoclean removed from the archive: versions no mirror has any more."""
    for deb in _pool().glob("*.deb"):
        if not (upper / _ARCHIVES / deb.name).exists():
            deb.unlink()


def _keep(upper: Path, layer: Path) -> None:
    files = sorted(path.name for path in (upper / _ARCHIVES).glob("*.deb"))
    if not files:
        raise LabError("no package could be downloaded: check that `apt-get update` works on this machine")
    root = layer / "root"
    for name in _KEPT:
        if (upper / name).exists():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (upper / name).rename(root / name)
    state.write_json(layer / "layer.json", {"made": time.time(), "files": files})
    size = sum((root / _ARCHIVES / name).stat().st_size for name in files)
    say(f"[lab]   {len(files)} files, {size // 2**20} MiB")


def _layers() -> Path:
    return state.CACHE / "packages"


def _pool() -> Path:
    return state.CACHE / "pool"

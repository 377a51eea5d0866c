"""The apt configuration of the lab's hosts, taken from this machine's: mirror, proxy, certificates.

A lab on a machine that reaches Debian only through a company mirror or proxy then works like any other.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

from lab.errors import LabError
from lab.shell import run

SUITE = "trixie"

# Settings that say how to reach an archive; the rest of apt's configuration is the host's own business.
_CARRIED = re.compile(
    r"Acquire::(https?::[^:]*(Proxy|CaInfo|CaPath|Verify-Peer|Verify-Host|Timeout|SslCert|SslKey).*"
    r"|Check-Valid-Until|Check-Date|Max-FutureTime|Retries|ForceIPv[46])"
)


@dataclass(frozen=True)
class Entry:
    """One archive of a sources list."""

    uri: str
    suites: tuple[str, ...]


def sources(etc: Path = Path("/etc")) -> list[str]:
    """Debian 13's sources, one-line style, from the mirrors this machine uses for its own Debian release.

    Raises LabError when this machine's own sources name no Debian mirror.
    """
    codename = _codename(etc)
    entries = _entries(etc / "apt")
    mirror = _uri_of(entries, codename)
    if mirror is None:
        where = f"{etc}/apt/sources.list and sources.list.d"
        raise LabError(f"{where} name no Debian mirror for {codename}: the lab installs from this machine's")
    security = _uri_of(entries, f"{codename}-security") or f"{mirror}-security"
    return [
        f"deb {mirror} {SUITE} main",
        f"deb {mirror} {SUITE}-updates main",
        f"deb {security} {SUITE}-security main",
    ]


def settings() -> list[str]:
    """apt.conf lines for a host: how this machine reaches its archives, and no translations (faster updates)."""
    lines = ['Acquire::Languages "none";']
    for line in run(["apt-config", "dump"]).splitlines():
        name, _, value = line.partition(" ")
        if _CARRIED.fullmatch(name) and value not in ('"";', ";"):
            lines.append(line)
    for scheme in ("http", "https"):
        proxy = os.environ.get(f"{scheme}_proxy")
        if proxy and not any(line.startswith(f"Acquire::{scheme}::Proxy ") for line in lines):
            lines.append(f'Acquire::{scheme}::Proxy "{proxy}";')
    return lines


def files() -> list[Path]:
    """Files the settings name (a proxy's certificate, a client's key); hosts need them at the same place."""
    paths = [Path(value) for line in settings() for value in re.findall(r'"(/[^"]+)"', line)]
    return [path for path in paths if path.is_file()]


def certificates() -> list[Path]:
    """Certificate authorities this machine trusts beyond Debian's (a proxy's, a mirror's)."""
    return sorted(Path("/usr/local/share/ca-certificates").rglob("*.crt"))


def _codename(etc: Path) -> str:
    release = (etc / "os-release").read_text() if (etc / "os-release").exists() else ""
    found = re.search(r'^VERSION_CODENAME="?([a-z]+)', release, re.MULTILINE)
    return found.group(1) if found else SUITE


def _uri_of(entries: list[Entry], suite: str) -> str | None:
    for entry in entries:
        # Another vendor's archive may use Debian's suite names: Debian's path ends in "debian" or "debian-security".
        if suite in entry.suites and re.search(r"/debian(-security)?/?$", entry.uri):
            return entry.uri.rstrip("/")
    return None


def _entries(apt: Path) -> list[Entry]:
    entries: list[Entry] = []
    for path in [apt / "sources.list", *sorted((apt / "sources.list.d").glob("*.list"))]:
        if path.exists():
            entries += _one_line(path.read_text())
    for path in sorted((apt / "sources.list.d").glob("*.sources")):
        entries += _deb822(path.read_text())
    return [Entry(_first_mirror(entry.uri), entry.suites) for entry in entries]


def _one_line(text: str) -> list[Entry]:
    pattern = re.compile(r"^deb\s+(?:\[[^]]*\]\s+)?(\S+)\s+(\S+)", re.MULTILINE)
    return [Entry(uri, (suite,)) for uri, suite in pattern.findall(text)]


def _deb822(text: str) -> list[Entry]:
    entries = []
    text = re.sub(r"^#.*\n", "", text, flags=re.MULTILINE)
    for stanza in re.split(r"\n\s*\n", text):
        fields = {
            key.lower(): value.split()
            for key, value in re.findall(r"^([A-Za-z-]+):((?:.|\n[ \t])*)", stanza, re.MULTILINE)
        }
        if "no" not in fields.get("enabled", []) and "deb" in fields.get("types", []):
            entries += [Entry(uri, tuple(fields.get("suites", []))) for uri in fields.get("uris", [])]
    return entries


def _first_mirror(uri: str) -> str:
    """Resolve mirror+file:/path, which Debian's cloud images use: the path means nothing inside a host."""
    if not uri.startswith("mirror+file:"):
        return uri
    path = Path("/" + uri.removeprefix("mirror+file:").lstrip("/"))
    lines = path.read_text().split("\n") if path.exists() else []
    first = next((line.split()[0] for line in lines if line.strip() and not line.startswith("#")), "")
    return first or uri

"""Whether what was printed shows a secret; and bait for what root runs on a host."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

from xteam_infra.distribution import DISTRIBUTION
from xteam_infra.secrets.escape import FORMATS, NotCarried

# A shorter beginning of a value tells nobody anything.
BEGINNING = 8
# Written by a person into files that a deploy writes, open and closed ones; none of them is in any store.
BY_HAND = "hand-written-Vq8Zt3Lw9Xc2"
CLOSED = (
    "/etc/xteam/app.env",
    "/etc/redis/redis-queue.start.conf",
    f"/etc/patroni/{DISTRIBUTION.postgres_cluster}.yml",
)
OPEN = ("/etc/systemd/journald.conf.d/10-xteam.conf", "/etc/haproxy/haproxy.cfg", "/etc/pgbouncer/pgbouncer.ini")
# Taken away again, each file has the inode and the time that it had: it is no reason to restart anything.
WRITE_BY_HAND = f"""
for file in {" ".join(CLOSED)}; do
    [ ! -e "$file" ] || {{ stat -c '%s %Y %n' "$file" >>/run/xteam-by-hand; echo '# {BY_HAND}' >>"$file"; }}
done
for file in {" ".join(OPEN)}; do
    [ ! -e "$file" ] || {{ stat -c '%s %Y %n' "$file" >>/run/xteam-by-hand; echo '# password = {BY_HAND}' >>"$file"; }}
done
"""
TAKE_AWAY = """
while read -r size time file; do truncate -s "$size" "$file"; touch -d "@$time" "$file"; done </run/xteam-by-hand
rm /run/xteam-by-hand
"""

# In the home of the account that logs in, where root's commands begin.
BAIT = """
home=$(getent passwd "${SUDO_USER:-root}" | cut -d: -f6)
rm -rf /run/xteam-bait; mkdir /run/xteam-bait; chmod 1777 /run/xteam-bait
for module in json fcntl time sitecustomize venv compileall ssl os; do
    echo "open('/run/xteam-bait/taken', 'w').close()" >"$home/$module.py"
done
"""
TAKEN = """
home=$(getent passwd "${SUDO_USER:-root}" | cut -d: -f6)
for module in json fcntl time sitecustomize venv compileall ssl os; do rm -f "$home/$module.py"; done
ls /run/xteam-bait; rm -rf /run/xteam-bait
"""


def found_in(logs: list[Path], secrets: dict[str, str]) -> list[str]:
    """Where one stands, in any format that something is written in: by name, never by value."""
    found = []
    values = {**secrets, "what a person wrote on the host": BY_HAND}
    for path in logs:
        text = path.read_text(errors="replace")
        found += [f"{name} in {path}" for name, value in values.items() if any(one in text for one in _shapes(value))]
    return found


def _shapes(value: str) -> Iterator[str]:
    """Beginnings of the value in every format, and all of it where they begin like other texts."""
    if "\n" in value:
        yield from (line for line in _key_lines(value) if line)
        return
    whole = {
        value,
        quote(value, safe=""),
        base64.b64encode(value.encode()).decode().rstrip("="),
        json.dumps(value)[1:-1],
    }
    for name, write in FORMATS.items():
        try:
            if name != "acl":
                whole.add(write(value).strip("\"'"))
        except NotCarried:
            continue
    for one in whole:
        yield one if "://" in value else one[:BEGINNING]


def _key_lines(value: str) -> Iterator[str]:
    inside = False
    for line in value.splitlines():
        inside = "PRIVATE KEY" in line if line.startswith("-----") else inside
        if inside and not line.startswith("-----"):
            yield line

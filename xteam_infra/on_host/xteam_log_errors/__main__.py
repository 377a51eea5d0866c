"""The errors a unit of the application has logged since it was started, one a line: xteam-log-errors UNIT [--allowed N]

An error is a line of level ERROR or worse, a traceback, or whatever came with priority `err` or worse. Shown are time,
message (cut) and request, nothing else of a line: the rest may hold what users sent. Ends with 1 when there are more
than allowed. Run as root. Managed by xteam-infra.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator

LEVELS = {"ERROR", "CRITICAL", "FATAL"}
ERR = 3  # priority, syslog's
CHARACTERS = 200
TRACEBACK = "Traceback (most recent call last):"
Entry = dict[str, object]


def errors(entries: Iterator[Entry]) -> Iterator[tuple[str, str, str]]:
    """Time, message and request id ("-": none) of each error among entries of the journal."""
    cut_short: set[object] = set()  # processes whose traceback has begun: what they raised stands at its end
    for entry in entries:
        text, process = text_of(entry), entry.get("_PID")
        line = read(text)
        if line and str(line.get("level", "")).upper() in LEVELS:
            yield when(entry), short(str(line.get("message", ""))), str(line.get("request_id") or "-")
        elif text.startswith(TRACEBACK):
            cut_short.add(process)
        elif process in cut_short and text[:1] not in ("", " "):
            cut_short.discard(process)
            yield when(entry), short(f"uncaught {text.partition(':')[0]}"), "-"
        elif not line and int(str(entry.get("PRIORITY", "6"))) <= ERR:
            yield when(entry), short(text), "-"


def text_of(entry: Entry) -> str:
    """The journal gives what is no text as a list of bytes, and what is too long as nothing."""
    message = entry.get("MESSAGE")
    return bytes(message).decode(errors="replace") if isinstance(message, list) else str(message or "")


def read(text: str) -> Entry:
    """A line of JSON; nothing when it is none."""
    try:
        found = json.loads(text)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def when(entry: Entry) -> str:
    return time.strftime("%H:%M:%S", time.gmtime(int(str(entry.get("__REALTIME_TIMESTAMP", "0"))) / 1e6))


def short(text: str) -> str:
    return " ".join(text.split())[:CHARACTERS]


def journal(unit: str) -> Iterator[Entry]:
    """What the unit's processes have said since it was last started."""
    subprocess.run(["journalctl", "--sync"], capture_output=True, check=False)
    shown = output("systemctl", "show", "-p", "InvocationID", "--value", unit).strip()
    words = ("--quiet", "--no-pager", "--all", "--output", "json", f"_SYSTEMD_INVOCATION_ID={shown}")
    return map(json.loads, output("journalctl", *words).splitlines())


def output(*words: str) -> str:
    """What a command prints. Raises CalledProcessError."""
    return subprocess.run(words, capture_output=True, text=True, errors="replace", check=True).stdout


def main() -> int:
    parser = argparse.ArgumentParser(prog="xteam-log-errors", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("unit", help="such as xteam-api@blue.service or xteam-worker@1.service")
    parser.add_argument("--allowed", type=int, default=0, metavar="N", help="end with 1 when there are more")
    options = parser.parse_args()
    if os.geteuid() != 0:
        parser.error("run this as root: sudo xteam-log-errors ...")
    found = list(errors(journal(options.unit)))
    for moment, message, request in found:
        print(f"{moment} UTC  request {request}  {message}")
    if len(found) <= options.allowed:
        return 0
    _, message, request = found[0]
    said = f"{len(found)} error{'s' if len(found) > 1 else ''} in its log ({options.allowed} allowed)"
    print(f"{said}, the first: {message} (request {request})", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())

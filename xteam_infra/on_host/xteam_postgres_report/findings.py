"""What of the answers a person should look at: the cluster as a whole, not one member."""

import re

from xteam_postgres_report.collect import Answers, Row, Rows

# Units of pg_settings and of values as people write them, in bytes and in milliseconds.
BYTES = {"B": 1, "kB": 1024, "8kB": 8192, "MB": 1024**2, "16MB": 16 * 1024**2, "GB": 1024**3, "TB": 1024**4}
MILLISECONDS = {"us": 0.001, "ms": 1, "s": 1000, "min": 60_000, "h": 3_600_000, "d": 86_400_000}
SWITCHES = {"on": "on", "true": "on", "yes": "on", "off": "off", "false": "off", "no": "off"}

SLOW_MS, LARGE_SCAN_ROWS, MANY_SCANS = 100, 10_000, 50
BLOATED_PERCENT, BLOATED_BYTES = 30, 8 * 1024**2


def statements(members: Answers) -> Rows:
    """The statements that took most time, of all members together, with their share of all time."""
    total: dict[str, Row] = {}
    for answers in members.values():
        for row in answers["statements"]:
            one = total.setdefault(row["id"], {**row, "calls": 0, "seconds": 0.0, "rows": 0, "worst_ms": 0.0})
            for key in ("calls", "seconds", "rows"):
                one[key] += row[key]
            one["worst_ms"] = max(one["worst_ms"], row["worst_ms"])
    everything = sum(one["seconds"] for one in total.values()) or 1.0
    slowest = sorted(total.values(), key=lambda one: -one["seconds"])
    for one in slowest:
        one["mean_ms"] = one["seconds"] * 1000 / max(one["calls"], 1)
        one["share"] = 100 * one["seconds"] / everything
    return slowest


def unused_indexes(members: Answers) -> Rows:
    """Indexes that no member has used: reads of a replica count there alone."""
    scans: dict[str, int] = {}
    rows: dict[str, Row] = {}
    for answers in members.values():
        for row in answers["indexes"]:
            scans[row["name"]] = scans.get(row["name"], 0) + row["scans"]
            rows[row["name"]] = row
    unused = [row for name, row in rows.items() if not scans[name]]
    return sorted(unused, key=lambda row: -row["bytes"])


def scanned_tables(members: Answers) -> Rows:
    """Tables that are read from end to end, often and with many rows each time: an index may be missing."""
    total: dict[str, Row] = {}
    for answers in members.values():
        for row in answers["tables"]:
            one = total.setdefault(row["name"], {**row, "scans": 0, "scanned": 0, "lookups": 0})
            for key in ("scans", "scanned", "lookups"):
                one[key] += row[key] or 0
    for one in total.values():
        one["each"] = one["scanned"] / max(one["scans"], 1)
    found = [one for one in total.values() if one["each"] >= LARGE_SCAN_ROWS and one["scans"] >= MANY_SCANS]
    return sorted(found, key=lambda one: -one["scanned"])


def bloated(rows: Rows) -> Rows:
    """Tables of which much is dead or free space."""
    wasted = [{**row, "percent": (row["dead_percent"] or 0) + (row["free_percent"] or 0)} for row in rows]
    return [row for row in wasted if row["percent"] >= BLOATED_PERCENT and row["bytes"] >= BLOATED_BYTES]


def growth(tables: Rows, before: dict[str, int]) -> Rows:
    """Size of each table and what came to it since the last report; None for one that was not there."""
    return [{**row, "grown": row["bytes"] - before[row["name"]] if row["name"] in before else None} for row in tables]


def drift(members: Answers, wanted: dict[str, str]) -> Rows:
    """Parameters that a member runs with although another value is declared, or was set behind Patroni's back."""
    found = []
    for name, answers in members.items():
        for row in answers["settings"]:
            declared = wanted.get(row["name"])
            if row["pending_restart"]:
                found.append({**row, "member": name, "why": "waits for a restart"})
            elif declared is not None and canonical(declared, row["unit"]) != canonical(
                row["setting"], row["unit"], True
            ):
                found.append({**row, "member": name, "why": f"declared is {declared}"})
            elif (row["sourcefile"] or "").endswith("postgresql.auto.conf"):
                found.append({**row, "member": name, "why": "set by ALTER SYSTEM"})
    return found


def canonical(value: object, unit: str | None, raw: bool = False) -> object:
    """A value without its unit, to be compared. raw: a number of pg_settings, which counts in `unit`."""
    text = str(value).strip()
    match = re.fullmatch(r"(-?[0-9.]+)\s*([A-Za-z]*)", text)
    if not match:
        return SWITCHES.get(text.lower(), text)
    number, own = float(match[1]), match[2] or unit or ""
    if raw and unit:
        own = unit
    return number * BYTES.get(own, MILLISECONDS.get(own, 1)) if number >= 0 else number

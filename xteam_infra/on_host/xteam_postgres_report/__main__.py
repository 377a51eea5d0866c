"""python3 -m xteam_postgres_report CONFIG DIRECTORY: write this month's page and its figures."""

import json
import os
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from xteam_postgres_report import collect, findings


def main(config_path: str, directory: str) -> None:
    """Ask every member and write DIRECTORY/YEAR-MONTH.html, .json and latest.html.

    Of systemd: the directory with the password. libpq would not take it as a file of passwords, which must be closed to
    its group; a credential is open to the group root.
    """
    config, now = json.loads(Path(config_path).read_text()), datetime.now(UTC)
    password = Path(os.environ["CREDENTIALS_DIRECTORY"], "monitor-password").read_text().strip()
    members, silent = collect.members(config["members"], password)
    for name, why in silent.items():
        print(f"{name} can't be asked: {why}", file=sys.stderr)
    if not members:
        sys.exit("no member can be asked, so there is no report: xteam-patronictl list on a member says why")
    earlier = _earlier(Path(directory), f"{now:%Y-%m}")
    values = page_values(members, config["parameters"], earlier, silent)
    month, made = f"{now:%B %Y}", f"{now:%Y-%m-%d %H:%M} UTC"
    page = render({**values, "database": config["database"], "month": month, "made": made})
    figures = {"made": made, "tables": {row["name"]: row["bytes"] for row in values["tables"]}}
    _write(Path(directory, f"{now:%Y-%m}.html"), page)
    _write(Path(directory, f"{now:%Y-%m}.json"), json.dumps(figures, indent=1))
    _write(Path(directory, "latest.html"), page)
    _forget(Path(directory), config["keep_months"])
    print(f"{len(values['todo'])} to look at: " + ("; ".join(line for _, line in values["todo"]) or "nothing"))


def page_values(
    members: collect.Answers, parameters: dict[str, Any], earlier: dict[str, Any], silent: dict[str, str]
) -> dict[str, Any]:
    """What the page shows, from the members' answers.

    parameters: as declared. earlier: the figures of the last report. silent: why a member can't be asked.
    """
    leader = next((one for one in members.values() if not one["overview"][0]["follows"]), next(iter(members.values())))
    measured: collect.Rows = next((one["bloat"] for one in members.values() if "bloat" in one), [])
    found = {
        "statements": findings.statements(members),
        "unused": findings.unused_indexes(members),
        "scanned": findings.scanned_tables(members),
        "foreign_keys": leader["foreign_keys"],
        "tables": findings.growth(leader["tables"], earlier.get("tables", {})),
        "drift": findings.drift(members, parameters),
    }
    waste = {row["name"]: f"{(row['dead_percent'] or 0) + (row['free_percent'] or 0):.0f} %" for row in measured}
    since = leader["overview"][0]["since"]
    shared = {"members": members, "waste": waste, "since": since, "previous": earlier.get("made", ""), "silent": silent}
    return {**found, **shared, "todo": _todo(found, findings.bloated(measured), silent)}


def _todo(found: dict[str, Any], bloated: collect.Rows, silent: dict[str, str]) -> list[tuple[str, str]]:
    """A line for each sort of finding, and the part of the page that has them."""
    slow = [row for row in found["statements"] if row["mean_ms"] >= findings.SLOW_MS and row["share"] >= 5]
    large = [row for row in found["unused"] if row["bytes"] >= 1024**2]
    lines = [
        ("members", list(silent), "member{s} that can't be asked"),
        ("statements", slow, f"statement{{s}} of {findings.SLOW_MS} ms or more on average and 5 % of all time or more"),
        ("unused", large, "index{es} of 1 MiB or more that nobody uses"),
        ("missing", found["scanned"], "table{s} read from end to end too often"),
        ("missing", found["foreign_keys"], "foreign key{s} without an index"),
        ("tables", bloated, "table{s} of which a third or more is dead or free space"),
        ("drift", found["drift"], "setting{s} that drifted"),
    ]
    return [(part, _counted(len(rows), words)) for part, rows, words in lines if rows]


def _counted(count: int, words: str) -> str:
    return f"{count} {words.format(s='', es='') if count == 1 else words.format(s='s', es='es')}"


def render(values: dict[str, Any]) -> str:
    """The page. Everything that comes from the database is escaped."""
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent), autoescape=True, undefined=StrictUndefined
    )
    environment.filters |= {"size": _size, "number": lambda value: f"{round(value or 0):,}"}
    return environment.get_template("page.html.j2").render(values)


def _size(value: float) -> str:
    for unit in ("B", "KiB", "MiB", "GiB"):
        if abs(value) < 1024:
            return f"{value:.0f} {unit}"
        value /= 1024
    return f"{value:.1f} TiB"


def _earlier(directory: Path, month: str) -> dict[str, Any]:
    """Figures of the newest report of an earlier month."""
    found = sorted(path for path in directory.glob("????-??.json") if path.stem < month)
    figures: dict[str, Any] = json.loads(found[-1].read_text()) if found else {}
    return figures


def _write(path: Path, text: str) -> None:
    new = path.with_name(f".{path.name}.new")
    new.write_text(text)
    new.replace(path)


def _forget(directory: Path, months: int) -> None:
    for path in sorted(directory.glob("????-??.html"))[:-months]:
        path.unlink()
        path.with_suffix(".json").unlink(missing_ok=True)


if __name__ == "__main__":
    main(*sys.argv[1:3])

"""The checklist as text: pytest's summary, and the Markdown table of docs/checklist.md."""

from collections import Counter
from pathlib import Path

import pytest

from checklist.report import GREEN, RED, STATUSES, Check, ItemResult, Report

MARKS = {
    "passed": "✔",
    "failed": "✘",
    "error": "!",
    "not-applicable": "-",
    "waived": "w",
    "attested": "a",
    "expired": "✘",
    "not-verified": "·",
}


def write_summary(terminal: pytest.TerminalReporter, report: Report, path: Path, full: bool) -> None:
    """Counts per section, then the items a reader must know of (full: all of them), then where the rest stands."""
    terminal.section(f"production checklist: {report.inventory}")
    for line in section_lines(report):
        terminal.write_line(line)
    terminal.write_line("")
    shown = [i for i in report.items if full or i.status in RED or i.status not in GREEN | {"not-verified"}]
    for item in shown:
        terminal.write_line(item_line(item), red=item.status in RED, green=item.status == "passed")
    if not full and (quiet := [i.id for i in report.items if i.status == "not-verified"]):
        terminal.write_line(f"not verified ({len(quiet)}): {ranges(quiet)}")
    if partly := [f"{i.id} ({', '.join(i.missing)})" for i in report.items if i.missing]:
        terminal.write_line(f"passed so far, with a sort of proof still missing ({len(partly)}): {' '.join(partly)}")
    for line in drill_lines(report):
        terminal.write_line(line)
    if report.partial:
        terminal.write_line(f"partial run: {'; '.join(report.partial)}", yellow=True)
    terminal.write_line(f"{totals(report)}   {report.seconds:.1f} s")
    terminal.write_line(f"report: {path} and {path.with_suffix('.html')}")


def totals(report: Report) -> str:
    """Such as "47 passed, 2 not-verified, of 49"."""
    counts = report.counts()
    parts = [f"{counts[status]} {status}" for status in reversed(STATUSES) if counts[status]]
    return f"{', '.join(parts)}, of {len(report.items)}"


def section_lines(report: Report) -> list[str]:
    """One line per section of the checklist: how many are settled, and one character per item."""
    sections: dict[str, list[ItemResult]] = {}
    for item in report.items:
        sections.setdefault(item.section, []).append(item)
    width = max(map(len, sections))
    return [
        f"{section:<{width}}  {sum(i.status in GREEN for i in items):>3}/{len(items):<3} "
        f"{''.join(MARKS[i.status] for i in items)}"
        for section, items in sections.items()
    ]


def item_line(item: ItemResult) -> str:
    line = f"{MARKS[item.status]} {item.id:<8} {item.status:<14} {item.text}"
    return f"{line}\n    {item.reason}" if item.reason and item.status != "not-verified" else line


def drill_lines(report: Report) -> list[str]:
    """Each drill with its date, the items it proves and what it measured."""
    found: dict[str, tuple[Check, list[str]]] = {}
    for item in report.items:
        for check in item.checks:
            if check.kind == "drill":
                found.setdefault(check.name, (check, []))[1].append(item.id)
    return [
        f"drill {(check.drilled or report.started)[:10]} {check.status:<8} {name.partition('::')[2] or name}"
        f" ({ranges(ids)}){': ' if check.figures else ''}{check.shown_figures()}"
        for name, (check, ids) in found.items()
    ]


def ranges(ids: list[str]) -> str:
    """Ids in short: SEC-01 SEC-02 SEC-03 DB-05 becomes SEC-01..03 DB-05."""
    runs: list[tuple[str, int, int]] = []
    for identifier in ids:
        prefix, _, number = identifier.rpartition("-")
        if runs and runs[-1][0] == prefix and runs[-1][2] == int(number) - 1:
            runs[-1] = (prefix, runs[-1][1], int(number))
        else:
            runs.append((prefix, int(number), int(number)))
    return " ".join(f"{p}-{a:02d}" if a == b else f"{p}-{a:02d}..{b:02d}" for p, a, b in runs)


def markdown(report: Report) -> str:
    """The table of docs/checklist.md: state of every item with the proof behind it."""
    counts = Counter(item.status for item in report.items)
    day = report.started.partition("T")[0]
    lines = [
        f"State on `{report.inventory}` ({len(report.machines)} host{'s' * (len(report.machines) != 1)}), {day}: "
        f"{totals(report)}." + (f" Partial run: {'; '.join(report.partial)}." if report.partial else ""),
    ]
    section = ""
    for item in report.items:
        if item.section != section:
            section = item.section
            lines += ["", f"**{section}**", "", "| Item | | State | Proof |", "|---|---|---|---|"]
        lines.append(f"| {item.id} | {_cell(item.text)} | {item.status} | {_cell(_proof(item))} |")
    assert sum(counts.values()) == len(report.items)
    return "\n".join(lines) + "\n"


def _proof(item: ItemResult) -> str:
    if item.decision:
        return f"{item.reason} ({item.decision['owner']}, until {item.decision['until']})"
    if not item.checks:
        return ""
    names = list(dict.fromkeys(check.name.partition("::")[2] for check in item.checks))
    hosts = len({check.host for check in item.checks})
    more = f" and {len(names) - 2} more" if len(names) > 2 else ""
    missing = f"; no {', '.join(item.missing)} yet" if item.missing else ""
    dates = sorted(check.drilled[:10] for check in item.checks if check.drilled)
    drilled = f", drilled {dates[-1]}" if dates else ""
    return f"{', '.join(f'`{n}`' for n in names[:2])}{more} on {hosts} host{'s' * (hosts != 1)}{drilled}{missing}"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")

"""`python -m checklist`: reads a report that a verification wrote."""

import argparse
import sys
from pathlib import Path

from checklist import catalogue, mutations
from checklist.report import ItemResult, Report
from checklist.table import item_line, markdown, totals

BEGIN, END = "<!-- checklist:begin -->", "<!-- checklist:end -->"
MUTATIONS = Path("tests/mutations")
REPORT = Path("build/report/checklist.json")


def main(arguments: list[str] | None = None) -> int:
    """Returns the exit status: 0, or 2 when something can't be read or written."""
    options = _parser().parse_args(arguments)
    try:
        status: int = options.run(options)
        return status
    except (OSError, ValueError, mutations.MutationError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m checklist", description=__doc__)
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    table = commands.add_parser("table", help="the items and their state as Markdown")
    table.add_argument("--report", type=Path, default=REPORT, help="default: %(default)s")
    table.add_argument("--write", type=Path, metavar="FILE", help=f"put it between {BEGIN} and {END} in this file")
    table.set_defaults(run=_table)
    show = commands.add_parser("show", help="one item with its checks, or all open items")
    show.add_argument("items", nargs="*", metavar="ITEM", help="such as RED-03")
    show.add_argument("--report", type=Path, default=REPORT, help="default: %(default)s")
    show.set_defaults(run=_show)
    holes = commands.add_parser("holes", help="items passed on hosts that no mutation turns red")
    holes.add_argument("--report", type=Path, default=REPORT, help="default: %(default)s")
    holes.set_defaults(run=_holes)
    return parser


def _read(path: Path) -> Report:
    if not path.exists():
        raise ValueError(f"{path} is missing: verify first, `pytest tests/hosts --inventory inventories/lab.py`")
    return Report.read(path)


def _table(options: argparse.Namespace) -> int:
    text = markdown(_read(options.report))
    if options.write is None:
        print(text, end="")
        return 0
    page = options.write.read_text()
    if page.count(BEGIN) != 1 or page.count(END) != 1 or page.index(BEGIN) > page.index(END):
        raise ValueError(f"{options.write} must hold the line {BEGIN} and, after it, the line {END}, once each")
    before, _, rest = page.partition(BEGIN)
    options.write.write_text(f"{before}{BEGIN}\n{text}{END}{rest.partition(END)[2]}")
    return 0


def _show(options: argparse.Namespace) -> int:
    report = _read(options.report)
    if unknown := sorted(set(options.items) - set(catalogue.load())):
        raise ValueError(f"no item {', '.join(unknown)} in checklist/catalogue.yml")
    for item in report.items:
        if item.id in options.items or (not options.items and item.status != "passed"):
            print(item_line(item))
        if item.id in options.items:
            print(f"    proof ({', '.join(item.kind)}): {item.how}")
            for check in item.checks:
                print(f"    {check.status:<14} {check.host:<12} {check.name}")
    if not options.items:
        print(totals(report))
    return 0


def _holes(options: argparse.Namespace) -> int:
    expected = {name for mutation in mutations.load(MUTATIONS) for name in mutation.expect}
    passed = [item for item in _read(options.report).items if item.status == "passed" and _of_hosts(item)]
    holes = [item for item in passed if item.id not in expected]
    for item in holes:
        print(item_line(item))
    print(f"{len(passed) - len(holes)} of {len(passed)} passed items are turned red by a mutation of {MUTATIONS}")
    return 0


def _of_hosts(item: ItemResult) -> bool:
    """Checks of the repository bring their own counter-example; mutations are of hosts."""
    return any(check.kind in ("host", "wire") for check in item.checks)


if __name__ == "__main__":
    sys.exit(main())

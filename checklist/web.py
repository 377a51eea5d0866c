"""The report as one HTML file that needs nothing else."""

import re
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from checklist.report import GREEN, RED, STATUSES, Report
from checklist.table import ranges, totals

TEMPLATES = Path(__file__).parent


def write_html(report: Report, path: Path) -> None:
    """Write the report beside its JSON."""
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["code"] = _code
    sections: dict[str, list[object]] = {}
    for item in report.items:
        sections.setdefault(item.section, []).append(item)
    page = environment.get_template("report.html.j2").render(
        report=report, sections=sections, counts=report.counts(), statuses=STATUSES, red=RED, green=GREEN,
        totals=totals(report), ranges=ranges,
    )  # fmt: skip
    path.write_text(page)


def _code(text: str) -> Markup:
    """Words between backticks, as the checklist writes them, set as code."""
    return Markup(re.sub(r"`([^`]+)`", r"<code>\1</code>", str(escape(text))))  # noqa: S704 - escaped before

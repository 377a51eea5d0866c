"""The catalogue says what the checklist says, letter by letter."""

import re
from pathlib import Path

import pytest

from checklist import catalogue
from xteam_infra.layers import GROUPS

ROOT = Path(__file__).parents[2]
SECTIONS = {
    "Security": "SEC",
    "Database": "DB",
    "Redis": "RED",
    "Infrastructure": "INF",
    "Application Configuration": "APP",
    "Celery/Worker Configuration": "CEL",
    "CI/CD": "CI",
    "Monitoring & Observability": "MON",
    "Performance": "PERF",
    "Backup & Recovery": "BAK",
    "Compliance & Legal": "LAW",
    "Documentation": "DOC",
    "Testing": "TST",
    "Pre-Deployment": "PRE",
    "Post-Deployment": "POST",
    "Ongoing Maintenance": "OPS",
    "Cost Optimization": "COST",
}


def source():
    """(section, text) of every box of the checklist."""
    section = ""
    for line in (ROOT / "docs/reference/production-checklist.md").read_text().splitlines():
        if line.startswith("## "):
            section = line.removeprefix("## ")
        elif box := re.fullmatch(r"- \[ \] (.+)", line):
            yield section, box[1]


def test_every_line_of_the_source_is_an_item_with_its_text():
    items = [(item.section, item.text) for item in catalogue.load().values()]
    assert items == list(source())


def test_an_id_begins_as_its_section():
    """Its number is no place: an item added in the middle takes the next free one, and no other changes."""
    for item in catalogue.load().values():
        prefix, number = item.id.rsplit("-", 1)
        assert prefix == SECTIONS[item.section] and number.isdigit(), item.id


def test_readers_are_told_how_many_items_there_are():
    told = re.search(r"of (\d+) items", (ROOT / "README.md").read_text())
    assert told and int(told[1]) == len(catalogue.load())


def test_every_item_says_how_it_is_proved():
    for item in catalogue.load().values():
        assert item.kind and item.how and item.layer, item.id
        assert set(item.groups) <= set(GROUPS), item.id
        assert not item.how.endswith("."), f"{item.id}: the report adds the full stop"


def test_an_id_twice_is_refused(tmp_path):
    path = tmp_path / "catalogue.yml"
    entry = "- {id: A-01, section: s, text: t, kind: [host], groups: [], layer: base, how: h}\n"
    path.write_text(entry * 2)
    with pytest.raises(ValueError, match="twice"):
        catalogue.load(path)


def test_every_mark_in_the_checks_names_an_item():
    """Also those of files that no run collects, such as drills of an inventory that is not at hand."""
    known = catalogue.load()
    for path in (ROOT / "tests").rglob("test_*.py"):
        if "unit" in path.parts:
            continue
        for marks in re.findall(r"mark\.item\(([^)]*)\)", path.read_text()):
            for identifier in re.findall(r"[\"']([^\"']+)[\"']", re.sub(r"kind=\S+", "", marks)):
                assert identifier in known, f"{path.name}: {identifier}"

"""Every relative link in the project's pages leads to a file, and to a heading of it, that is there."""

import os
import re
import subprocess
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[2]
LINK = re.compile(r"\]\(([^)\s]+)\)|(?:src|href|srcset)=\"([^\"]+)\"")
ABSOLUTE = re.compile(r"[a-z]+:|//")
# A page of docs/ that a message, a comment or an alert names.
NAMED = re.compile(r"(?<![\w/.-])docs/[a-z0-9/-]+\.md(?:#[\w-]+)?")


def committed(*patterns: str) -> list[Path]:
    """The files under version control, and those that are about to be."""
    words = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", *patterns]
    listed = subprocess.run(words, cwd=PROJECT, capture_output=True, text=True, check=True).stdout
    return [PROJECT / name for name in filter(None, listed.split("\0")) if (PROJECT / name).is_file()]


def prose(text: str) -> str:
    """A page without its blocks of commands, in which nothing is a link or a heading."""
    return re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL)


def anchors(text: str) -> set[str]:
    """The names that GitHub gives to the headings."""
    found: set[str] = set()
    for heading in re.findall(r"^#{1,6} +(.+?) *$", prose(text), re.MULTILINE):
        words = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).lower()
        name = re.sub(r"[^\w\- ]", "", words).replace(" ", "-")
        number = 1
        while name in found:
            name = f"{name.removesuffix(f'-{number - 1}')}-{number}"
            number += 1
        found.add(name)
    return found


def headings(path: Path) -> set[str]:
    return anchors(path.read_text()) if path.suffix == ".md" else set()


def dead(page: Path, text: str) -> list[str]:
    """The relative links of a page that lead nowhere."""
    missing = []
    for pair in LINK.findall(re.sub(r"`[^`\n]*`", "", prose(text))):
        link = pair[0] or pair[1]
        if ABSOLUTE.match(link):
            continue
        name, _, heading = link.partition("#")
        target = Path(os.path.normpath(page.parent / name)) if name else page
        if not (target.exists() and (not heading or heading in headings(target))):
            missing.append(link)
    return missing


@pytest.mark.item("DOC-01")
def test_every_link_of_every_page_leads_somewhere():
    found = {str(page.relative_to(PROJECT)): dead(page, page.read_text()) for page in committed("*.md")}
    assert not {page: links for page, links in found.items() if links}


@pytest.mark.item("DOC-01")
def test_every_page_that_is_named_is_there():
    """In errors, comments, alerts and the texts of commands: a moved page must not leave a reader without it."""
    missing = set()
    changelog = PROJECT / "CHANGELOG.md"  # names what was, too
    for path in {*committed("*.py", "*.yml", "*.j2", "*.md", "script", "lab", "rules")} - {changelog}:
        for named in NAMED.findall(path.read_text(errors="replace")):
            name, _, heading = named.partition("#")
            page = PROJECT / name
            if not (page.exists() and (not heading or heading in headings(page))):
                missing.add(f"{path.relative_to(PROJECT)}: {named}")
    assert not missing


@pytest.mark.item("DOC-01")
def test_a_dead_link_is_found(tmp_path):
    """Else the checks above could not fail."""
    (tmp_path / "there.md").write_text("# A `b` of (c)\n\n## Twice\n\n## Twice\n\n```text\n# no heading\n```\n")
    page = tmp_path / "page.md"
    good = "[a](there.md) [b](there.md#a-b-of-c) [c](there.md#twice-1) [d](https://x.test/y) [e](#page)\n# Page\n"
    page.write_text(good)
    assert dead(page, good) == []
    for link in ("gone.md", "there.md#no-heading", "#gone", "there.md#twice-2"):
        assert dead(page, f"[x]({link})\n") == [link]
    assert dead(page, '<img src="gone.png">') == ["gone.png"]

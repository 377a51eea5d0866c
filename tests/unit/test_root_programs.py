"""What root runs on hosts starts with a clean environment, and imports nothing from where it is called."""

import re
from pathlib import Path

from xteam_infra.engine.host_packages import CLEAN, module_command
from xteam_infra.engine.runtime import PROJECT

# The application's, with the application's environment.
OTHERS = {"xteam-python.sh"}
LONGEST_SHEBANG = 255
KEPT = ("NOTIFY_SOCKET",)


def programs() -> dict[str, str]:
    paths = [*Path(PROJECT, "templates").rglob("*.j2"), *Path(PROJECT, "xteam_infra", "on_host", "bin").glob("*.sh")]
    paths = [path for path in paths if path.read_text().startswith("#!")]
    found = {path.name: path.read_text() for path in paths if "/nft " not in path.read_text().partition("\n")[0]}
    return {
        **found,
        "a package": module_command("x", "x").content,
        "with more": module_command("x", "x", keeps=KEPT).content,
    }


def test_every_program_starts_with_a_clean_environment():
    found = programs()
    assert len(found) > 20
    for name in set(found) - OTHERS:
        first = found[name].partition("\n")[0]
        assert first.startswith(CLEAN), f"{name}: {first}"
        kept = re.findall(r"(\w+)=\$\{(\w+)\}", first)
        assert all(one == other for one, other in kept), name
        assert {one for one, _ in kept} <= {"TERM", "NOTIFY_SOCKET"} | {
            one for one, _ in kept if one.startswith("XTEAM_")
        }
        assert len(first) <= LONGEST_SHEBANG
        assert first.endswith((" /bin/sh", " /bin/bash", " /usr/bin/python3 -I")), name


def test_python_that_root_runs_imports_nothing_from_where_it_is_called():
    places = [*Path(PROJECT, "templates").rglob("*.j2"), *Path(PROJECT, "xteam_infra").rglob("*.py")]
    places += [*Path(PROJECT, "deploys").glob("*.py"), *Path(PROJECT, "tasks").glob("*.py")]
    found = 0
    for path in places:
        if {"kubernetes", "on_host"} & set(path.parts) or path.name in OTHERS:
            continue
        for match in re.finditer(
            r"(?<![\w./-])(/usr/bin/)?python3[\"',]* +[\"']?(-[A-Za-z]+)[\"']?( +-\w)*", path.read_text()
        ):
            found += 1
            words = re.findall(r"-\w+", match[0])
            assert match[1] == "/usr/bin/", f"{path}: {match[0]}: name it by its path"
            assert "-I" in words or "-P" in words, f"{path}: {match[0]}"
    assert found >= 5, "the pattern finds nothing any more"

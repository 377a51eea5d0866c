"""Which commands the state of an API's two instances calls for. The lab runs them for real."""

import subprocess
from pathlib import Path

import pytest
from conftest import commands_of

from xteam_infra.layers.app.operations import UNPACK, switch_api
from xteam_infra.release import Release

WANTED = Release("abc", Path("build/releases/abc.tar.gz"), "0" * 64)
BLUE = "active,enabled,no,free,abc"
OFF = "inactive,,no,free,-"
DIGEST = "9" * 64


def commands(fake_host, *instances, applied=DIGEST):
    fake_host({"for colour in": [*instances, applied, DIGEST]})
    return "\n".join(command.get_raw_value() for command in commands_of(switch_api, WANTED, ["/etc/xteam/app.env"]))


def test_an_instance_that_serves_the_release_is_left_alone(fake_host):
    assert commands(fake_host, BLUE, OFF) == ""
    assert commands(fake_host, "inactive,disabled,no,free,old", BLUE) == "", "green serves as well as blue"


@pytest.mark.parametrize(
    ("blue", "green"),
    [
        (OFF, OFF),
        (BLUE, "active,disabled,no,free,abc"),
        ("active,enabled,no,drained,abc", OFF),
        ("active,disabled,no,free,abc", OFF),
        ("active,enabled,yes,free,abc", OFF),
        ("active,enabled,no,free,old", OFF),
        ("failed,enabled,no,free,abc", OFF),
        (BLUE, "activating,disabled,no,free,abc"),
    ],
)
def test_anything_else_is_rolled(fake_host, blue, green):
    assert "xteam-switch switch abc" in commands(fake_host, blue, green)


def test_changed_files_call_for_a_roll(fake_host):
    said = commands(fake_host, BLUE, OFF, applied="1" * 64)
    steps = ["rm -f /var/lib/xteam/applied/xteam-api", "xteam-switch switch abc", "> /var/lib/xteam/applied/xteam-api"]
    places = [said.index(step) for step in steps]
    assert places == sorted(places), said


def test_a_first_roll_has_no_stamp(fake_host):
    assert "xteam-switch switch abc" in commands(fake_host, BLUE, OFF, applied="")


def test_a_damaged_archive_is_not_unpacked(tmp_path):
    """As on a host whose connection broke: nothing appears under the release's name, and nothing is left behind."""
    (tmp_path / ".abc.tar.gz").write_bytes(b"half of an archive")
    script = UNPACK.format(releases=tmp_path, id="abc", sha256="0" * 64)
    done = subprocess.run(["sh", "-c", script], capture_output=True, text=True)
    assert done.returncode and "it arrived damaged: run again" in done.stderr
    assert list(tmp_path.iterdir()) == []

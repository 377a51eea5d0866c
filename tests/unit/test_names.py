"""The program that keeps the estate's names in /etc/hosts, really run, on files of this machine."""

import subprocess
from importlib.resources import files

import pytest

from xteam_infra import on_host

PROGRAM = str(files(on_host) / "bin/xteam-hosts.sh")
BLOCK = """# BEGIN xteam-infra
# Names of the estate.
10.0.0.1 web1.xteam.internal web1
127.0.0.1 postgres.xteam.internal
# END xteam-infra
"""


@pytest.fixture
def hosts(tmp_path):
    """`hosts("text")`: the file after the program has run on that text, twice, and said that it is as wanted."""
    (tmp_path / "block").write_text(BLOCK)
    file = tmp_path / "hosts"
    environment = {"PATH": "/usr/bin:/bin", "XTEAM_HOSTS_BLOCK": f"{tmp_path}/block", "XTEAM_HOSTS_FILE": str(file)}

    def run(*words):
        return subprocess.run(["sh", PROGRAM, *words], env=environment, capture_output=True, text=True, check=False)

    def kept(text):
        file.write_text(text)
        assert run().returncode == 0
        once = file.read_text()
        assert run().returncode == 0 and file.read_text() == once, "a second run must change nothing"
        assert run("check").returncode == 0
        assert sorted(path.name for path in tmp_path.iterdir()) == ["block", "hosts"]
        return once

    return kept


def test_every_line_of_others_is_kept(hosts):
    own = "127.0.0.1 localhost\n\n# mine\n  192.0.2.1\told-db  # till May\n::1 localhost\n"
    assert hosts(own) == BLOCK + own
    assert hosts(BLOCK + own) == BLOCK + own


def test_an_old_block_is_replaced_wherever_it_stands(hosts):
    old = "# BEGIN xteam-infra\n10.0.0.9 gone.xteam.internal gone\n# END xteam-infra\n"
    assert hosts(f"127.0.0.1 localhost\n{old}192.0.2.1 mine\n") == f"{BLOCK}127.0.0.1 localhost\n192.0.2.1 mine\n"


def test_a_block_without_its_end_swallows_nothing(hosts):
    text = hosts("# BEGIN xteam-infra\n10.0.0.1 web1.xteam.internal web1\n192.0.2.1 mine\n")
    assert text == f"{BLOCK}192.0.2.1 mine\n"


@pytest.mark.parametrize(
    ("line", "left"),
    [
        ("127.0.1.1 web1.mine.test web1", "127.0.1.1 web1.mine.test"),
        ("127.0.1.1\tweb1", ""),
        ("127.0.1.1 web1 other # mine", "127.0.1.1 other # mine"),
    ],
)
def test_names_of_the_estate_mean_one_address(hosts, line, left):
    """As Debian's installer and cloud-init write them: what the line said stays as a comment."""
    assert hosts(f"{line}\n") == f"{BLOCK}# xteam-infra: was: {line}\n" + (f"{left}\n" if left else "")


def test_a_line_that_says_the_same_is_not_said_twice(hosts):
    assert hosts("10.0.0.1 web1.xteam.internal web1\n10.0.0.1 web1 www\n") == f"{BLOCK}10.0.0.1 www\n"

"""What root runs on a host takes nothing from whoever calls it, nor from where it is called."""

from pathlib import Path

SCRIPT = Path(__file__).with_name("root_on_host.sh").read_text()


def test_root_programs_ignore_callers_environment(host):
    """Modules where it is called and on PYTHONPATH, programs first in PATH, files that shells read when they start."""
    taken = host.run_with_stdin("sh -s", SCRIPT)
    assert taken.rc == 0, f"the programs could not be called: {taken.stderr}"
    assert not taken.stdout.split(), f"bait was taken on {host.name}: {', '.join(taken.stdout.split())}"


def test_sudo_keeps_no_environment(host):
    """Debian's defaults: a clean environment and its own path, for everybody who may use sudo."""
    said = host.check_output("sudo -n -u root sudo -V")
    assert "Reset the environment to a default set of variables" in said, "sudo does not reset the environment"
    assert "secure_path" in host.check_output("sudo -l -U root") or "Value to override user's $PATH" in said, (
        "sudo takes the caller's path"
    )
    kept = said.partition("Environment variables to preserve:")[2].split()
    bad = [
        name for name in kept if name.startswith(("LD_", "PYTHON", "BASH", "ETCDCTL", "PG", "REDIS")) or name == "ENV"
    ]
    assert not bad, f"sudo keeps {', '.join(bad)}"

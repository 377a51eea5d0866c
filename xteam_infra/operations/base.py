"""The base layer's files that share a directory with others' configuration, by kind (facts/overrides.py)."""

from xteam_infra.estate import Machine
from xteam_infra.operations.files import HostFile
from xteam_infra.runtime import open_estate


def shared_configuration(machine: Machine) -> dict[str, HostFile]:
    """Kernel, journal, SSH and apt settings of a machine."""
    sysctls = open_estate().plans[machine.name].sysctls
    return {
        "sysctl": HostFile("/etc/sysctl.d/60-xteam.conf", "base/sysctl.conf.j2", {"sysctls": sysctls}),
        "journald": HostFile("/etc/systemd/journald.conf.d/10-xteam.conf", "base/journald.conf.j2"),
        "sshd": HostFile("/etc/ssh/sshd_config.d/10-xteam.conf", "base/sshd.conf.j2"),
        "apt": HostFile("/etc/apt/apt.conf.d/20auto-upgrades", "base/20auto-upgrades.j2"),
    }

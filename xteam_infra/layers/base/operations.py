"""The base layer's files that share a directory with others' configuration, by kind (layers/base/override_facts.py)."""

from xteam_infra.engine.operations.files import HostFile
from xteam_infra.engine.runtime import open_estate
from xteam_infra.layers.base.overrides import OURS
from xteam_infra.machine import Machine
from xteam_infra.plan.compose import plans


def shared_configuration(machine: Machine) -> dict[str, HostFile]:
    """Kernel, journal, SSH and apt settings of a machine."""
    sysctls = plans(open_estate())[machine.name].sysctls
    return {
        "sysctl": HostFile(OURS["sysctl"], "base/sysctl.conf.j2", {"sysctls": sysctls}),
        "journald": HostFile(OURS["journald"], "base/journald.conf.j2"),
        "sshd": HostFile(OURS["sshd"], "base/sshd.conf.j2"),
        "apt": HostFile(OURS["apt"], "base/20auto-upgrades.j2"),
    }

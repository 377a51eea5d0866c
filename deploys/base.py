"""The operating system every other layer stands on."""

from xteam_infra.operations import HostDirectory, HostFile, barrier, directories, ensure, packages, service, write
from xteam_infra.operations.ssh import confirmed_sshd
from xteam_infra.plan.checks import sysctls_hold
from xteam_infra.runtime import here, open_estate, plan

estate = open_estate()
settings = estate.base

# One transaction for every layer's packages: dpkg's triggers run once. None of their services starts.
packages(plan().packages, plan().masked, plan().files, name="Install the Debian packages of every layer")

# Jobs of any layer leave their figures here as xteam-SUBJECT.prom, for Prometheus' node exporter.
directories([HostDirectory("/var/lib/prometheus/node-exporter")], name="Make the directory of the jobs' metrics")

accounts = HostFile("/etc/sysusers.d/xteam.conf", "base/sysusers.conf.j2", {"accounts": plan().accounts})
journald = HostFile("/etc/systemd/journald.conf.d/10-xteam.conf", "base/journald.conf.j2")
sysctl = HostFile("/etc/sysctl.d/60-xteam.conf", "base/sysctl.conf.j2", {"sysctls": plan().sysctls})
write(
    [
        accounts,
        journald,
        sysctl,
        HostFile("/etc/hosts", "base/hosts.j2", {"machine_here": here()}),
        HostFile("/etc/apt/apt.conf.d/20auto-upgrades", "base/20auto-upgrades.j2"),
    ],
    name="Write the base system's files",
)
ensure(
    "systemd-sysusers",
    " && ".join(f"getent passwd {account.name}" for account in plan().accounts) or "true",
    name="Make the system accounts",
)
# A container may not set them all; the check names those the host can set.
ensure("sysctl -q --system 2>/dev/null || true", sysctls_hold(plan().sysctls), name="Apply the kernel settings")
ensure(
    f"ln -sfT /usr/share/zoneinfo/{settings.timezone} /etc/localtime",
    f'[ "$(readlink /etc/localtime)" = /usr/share/zoneinfo/{settings.timezone} ]',
    name="Set the time zone",
)
service("systemd-journald.service", [journald], name="Run the journal with its limits")

sshd = HostFile("/etc/ssh/sshd_config.d/10-xteam.conf", "base/sshd.conf.j2")
confirmed_sshd(sshd, estate.firewall.firewall_confirm_seconds, name="Harden the SSH server, confirmed by a new login")
barrier(name="base is laid")

"""The operating system every other layer stands on."""

from xteam_infra.engine.operations import (
    HostDirectory,
    HostFile,
    barrier,
    directories,
    ensure,
    packages,
    service,
    write,
)
from xteam_infra.engine.operations.services import disable_removed
from xteam_infra.engine.runtime import here, open_estate, plan
from xteam_infra.layers.base import upgrades
from xteam_infra.layers.base.names import PROGRAM, names_files, names_in_place
from xteam_infra.layers.base.needs import NAMES_UNIT, NAMES_WATCH, REBOOT_TIMER, UPDATES_TIMER
from xteam_infra.layers.base.operations import shared_configuration
from xteam_infra.layers.base.override_operations import require_no_overrides
from xteam_infra.layers.base.sshd import sshd_with_auto_revert
from xteam_infra.plan.checks import sysctls_hold
from xteam_infra.plan.needs import METRICS_DIRECTORY

estate = open_estate()
settings = estate.base
require_no_overrides(shared_configuration)

# One transaction for every layer's packages: dpkg's triggers run once. None of their services starts.
packages(plan().packages, plan().masked, plan().files, name="Install the Debian packages of every layer")

masked = " ".join(plan().masked)
ensure(
    f"systemctl mask -q --now {masked}",
    f'for unit in {masked}; do [ "$(systemctl is-enabled "$unit")" = masked ] || exit 1; done',
    name="Mask units of packages that no layer uses",
)

# Jobs of any layer leave their figures here as xteam-SUBJECT.prom, for Prometheus' node exporter.
directories([HostDirectory(METRICS_DIRECTORY)], name="Make the directory of the node exporter's metrics files")

accounts = HostFile("/etc/sysusers.d/xteam.conf", "base/sysusers.conf.j2", {"accounts": plan().accounts})
shared = shared_configuration(here())
names = names_files(here())
write(
    [
        accounts,
        *(shared[kind] for kind in ("journald", "sysctl", "apt")),
        *names,
    ],
    name="Write the base system's files",
)
ensure(
    "systemd-sysusers",
    " && ".join(f"getent passwd {account.name}" for account in plan().accounts) or "true",
    name="Make the system accounts",
)
ensure(
    f"{PROGRAM} && systemctl daemon-reload && systemctl enable -q {NAMES_UNIT}",
    names_in_place(names),
    name="Write the estate's names into /etc/hosts",
)
service(NAMES_WATCH, names, name="Run the unit that keeps the estate's names in /etc/hosts")
# A container may not set them all; the check names those the host can set.
ensure("sysctl -q --system 2>/dev/null || true", sysctls_hold(plan().sysctls), name="Apply the kernel settings")
ensure(
    f"ln -sfT /usr/share/zoneinfo/{settings.timezone} /etc/localtime",
    f'[ "$(readlink /etc/localtime)" = /usr/share/zoneinfo/{settings.timezone} ]',
    name="Set the time zone",
)
service("unattended-upgrades.service", name="Run unattended-upgrades' service for shutdowns")
upgrade_timer, updates_timer = upgrades.timer(estate, here()), upgrades.metrics_timer()
reboot_timer = upgrades.reboot_timer(estate, here())
write(
    [*upgrades.files(plan()), upgrade_timer, updates_timer, *([reboot_timer] if reboot_timer else [])],
    name="Write the files of unattended updates",
)
service("apt-daily-upgrade.timer", [upgrade_timer], name="Run the timer of unattended updates at this host's time")
service(UPDATES_TIMER, [updates_timer], name="Run the timer of the updates' metrics")
if reboot_timer:
    service(REBOOT_TIMER, [reboot_timer], name="Run the timer of automatic reboots at this host's time")
else:
    disable_removed([REBOOT_TIMER], name="Disable the timer of automatic reboots")
service("systemd-journald.service", [shared["journald"]], name="Run journald with its limits")

sshd_with_auto_revert(
    shared["sshd"],
    estate.firewall.firewall_confirm_seconds,
    name="Write the SSH server's settings (auto-revert unless a new login works)",
)
barrier(name="base: applied")

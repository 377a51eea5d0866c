"""What the base layer needs of a host."""

from xteam_infra.estate import Estate
from xteam_infra.machine import Machine
from xteam_infra.plan.needs import HostRequirements, ListenPort, Reach
from xteam_infra.settings.base import DAY_MINUTES, window_minutes

UPDATES_UNIT, UPDATES_TIMER = "xteam-updates.service", "xteam-updates.timer"
REBOOT_UNIT, REBOOT_TIMER = "xteam-reboot.service", "xteam-reboot.timer"

PACKAGES = (
    "ca-certificates",
    "curl",
    "nftables",
    "openssl",
    "python3",
    "unattended-upgrades",
)

# Puts the estate's names into /etc/hosts: at boot, and when somebody wrote the file.
NAMES_UNIT = "xteam-hosts.service"
NAMES_WATCH = "xteam-hosts.path"

# Units that a Debian server has by itself, as patterns, and why. What else runs or starts at boot is a layer's or, by
# the setting own_units, the user's.
SYSTEM_UNITS = {
    "apparmor.service": "confines programs",
    "apt-daily*": "looks for and installs security updates",
    "auditd.service": "the kernel's audit",
    "chrony.service": "the clock, instead of systemd-timesyncd",
    "cloud-*": "a cloud image's first boot",
    "console-*": "the console",
    "cron.service": "Debian's own jobs",
    "dbus*": "systemd's interfaces",
    "dpkg-db-backup*": "copies of dpkg's database",
    "e2scrub*": "checks file systems",
    "fstrim*": "tells disks what is free",
    "getty*": "the console",
    "grub*": "boots",
    "ifup@*": "the network",
    "keyboard-setup.service": "the console",
    "kmod*": "kernel modules",
    "ldconfig.service": "the first boot",
    "logrotate*": "Debian's own logs",
    "man-db*": "manual pages",
    "networking.service": "the network",
    "qemu-guest-agent.service": "the hypervisor",
    "remote-fs.target": "mounts",
    "serial-getty@*": "the console",
    "ssh*": "logins",
    "systemd-*": "systemd itself",
    "udev*": "devices",
    "user@*": "logins",
    "user-runtime-dir@*": "logins",
    "xteam-hosts.service": "the estate's names, at boot",
}

# Kernel settings of dev-sec's Linux baseline that no layer here needs otherwise.
SYSCTLS = {
    "fs.protected_fifos": "1",
    "fs.protected_hardlinks": "1",
    "fs.protected_regular": "2",
    "fs.protected_symlinks": "1",
    "fs.suid_dumpable": "0",
    "kernel.dmesg_restrict": "1",
    "kernel.kptr_restrict": "2",
    "kernel.randomize_va_space": "2",
    "kernel.sysrq": "0",
    "net.ipv4.conf.all.accept_redirects": "0",
    "net.ipv4.conf.all.accept_source_route": "0",
    "net.ipv4.conf.all.send_redirects": "0",
    "net.ipv4.conf.default.accept_redirects": "0",
    "net.ipv4.icmp_echo_ignore_broadcasts": "1",
    "net.ipv4.tcp_syncookies": "1",
    "net.ipv6.conf.all.accept_redirects": "0",
    "net.ipv6.conf.default.accept_redirects": "0",
}


def needs(estate: Estate, machine: Machine) -> HostRequirements:
    """SSH for the controller, hardened kernel settings, the tools every layer uses."""
    mirrors = Reach(
        "packages", estate.firewall.mirror_ports, ("root", "_apt"), networks=estate.firewall.mirror_networks
    )
    return HostRequirements(
        packages=PACKAGES,
        reaches=(mirrors,),
        listens=(ListenPort(22, "SSH", ("management",)),),
        sysctls=SYSCTLS,
        units=(
            *("ssh.service", "nftables.service", "unattended-upgrades.service", NAMES_WATCH, UPDATES_TIMER),
            *((REBOOT_TIMER,) if estate.base.updates_reboot_themselves else ()),
        ),
    )


def upgrade_at(estate: Estate, machine: Machine) -> str:
    """HH:MM at which this host installs updates: the hosts take turns in the order of the inventory."""
    hours, minutes = map(int, estate.base.updates_first_at.split(":"))
    turn = estate.machines.index(machine) * estate.base.updates_spacing_minutes
    return _clock(hours * 60 + minutes + turn)


def reboot_at(estate: Estate, machine: Machine) -> str | None:
    """HH:MM at which this host reboots by itself if it must: the hosts share the window. None: it never does."""
    window = estate.base.updates_reboot_window
    if not estate.base.updates_reboot_themselves or window is None:
        return None
    start, length = window_minutes(window)
    return _clock(start + estate.machines.index(machine) * (length // len(estate.machines)))


def _clock(minutes: int) -> str:
    moment = minutes % DAY_MINUTES
    return f"{moment // 60:02}:{moment % 60:02}"

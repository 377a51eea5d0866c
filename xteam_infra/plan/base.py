"""What the base layer needs of a host."""

from xteam_infra.plan.needs import Listen, Needs

PACKAGES = (
    "ca-certificates",
    "curl",
    "nftables",
    "openssl",
    "unattended-upgrades",
)

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


def needs(estate, machine) -> Needs:
    """SSH for the controller, hardened kernel settings, the tools every layer uses."""
    return Needs(
        packages=PACKAGES,
        listens=(Listen(22, "SSH", ("management",)),),
        sysctls=SYSCTLS,
        units=("ssh.service", "nftables.service"),
    )

"""Configuration of others that wins over ours: found in every kind of file, named with its line."""

import pytest

from xteam_infra.facts.overrides import ConfigurationLines, Line
from xteam_infra.plan.overrides import overriding, overriding_drop_ins

SYSCTL, SSHD = "/etc/sysctl.d/60-xteam.conf", "/etc/ssh/sshd_config.d/10-xteam.conf"
JOURNALD, APT = "/etc/systemd/journald.conf.d/10-xteam.conf", "/etc/apt/apt.conf.d/20auto-upgrades"
TEXT = {
    "sysctl": (SYSCTL, "kernel.sysrq = 0\nnet.ipv4.tcp_rmem = 1 2 3\n"),
    "sshd": (SSHD, "PasswordAuthentication no\n"),
    "journald": (JOURNALD, "[Journal]\nStorage=persistent\n"),
    "apt": (APT, 'APT::Periodic::Unattended-Upgrade "1";\n'),
}


def found(kind, *lines):
    ours, text = TEXT[kind]
    every = [Line(kind, path, number, said) for path, number, said in lines]
    return [(line.path, line.number, wanted) for line, wanted in overriding(kind, ours, text, every)]


@pytest.mark.parametrize(
    ("kind", "path", "text"),
    [
        ("sysctl", "/etc/sysctl.d/99-mine.conf", "kernel/sysrq=1"),
        ("sysctl", "/usr/lib/sysctl.d/99-x.conf", "-net.ipv4.tcp_rmem = 1 2 4"),
        ("journald", "/run/systemd/journald.conf.d/50-x.conf", "Storage=volatile"),
        ("sshd", "/etc/ssh/sshd_config.d/00-mine.conf", "passwordauthentication yes"),
        ("sshd", "/etc/ssh/sshd_config.d/01-mine.conf", "PasswordAuthentication=yes"),
        ("sshd", "/etc/ssh/sshd_config", "PasswordAuthentication yes"),
        ("apt", "/etc/apt/apt.conf.d/99mine", 'apt::periodic::Unattended-Upgrade "0";'),
        ("apt", "/etc/apt/apt.conf", 'APT::Periodic::Unattended-Upgrade "0";'),
    ],
)
def test_what_wins_over_ours_is_found(kind, path, text):
    ((where, number, wanted),) = found(kind, (path, 3, text))
    assert (where, number) == (path, 3) and wanted in TEXT[kind][1]


@pytest.mark.parametrize(
    ("kind", "path", "text"),
    [
        ("sysctl", "/etc/sysctl.d/50-mine.conf", "kernel.sysrq=1"),
        ("sysctl", "/etc/sysctl.d/99-mine.conf", "kernel.sysrq = 0"),
        ("sysctl", "/etc/sysctl.d/99-mine.conf", "vm.swappiness = 1"),
        ("sysctl", SYSCTL, "kernel.sysrq = 1"),
        ("sshd", "/etc/ssh/sshd_config.d/50-cloud-init.conf", "PasswordAuthentication yes"),
        ("apt", "/etc/apt/apt.conf.d/10periodic", 'APT::Periodic::Unattended-Upgrade "0";'),
    ],
)
def test_what_loses_or_agrees_is_left_alone(kind, path, text):
    assert not found(kind, (path, 1, text))


def test_settings_of_sshd_after_its_include_lose_unless_they_are_conditional():
    main = "/etc/ssh/sshd_config"
    lines = [(main, 1, "Include /etc/ssh/sshd_config.d/*.conf"), (main, 9, "PasswordAuthentication yes")]
    assert not found("sshd", *lines)
    assert found("sshd", *lines, (main, 12, "Match User joe"), (main, 13, "PasswordAuthentication yes")) == [
        (main, 13, "no")
    ]


def test_drop_ins_that_come_later():
    ours, theirs = "/etc/systemd/system/etcd.service.d/10-xteam.conf", "/etc/systemd/system/etcd.service.d/50-mine.conf"
    lines = [
        Line("unit", ours, 3, "Restart=always"),
        Line("unit", theirs, 2, "Restart=no"),
        Line("unit", theirs, 3, "Nice=5"),
        Line("unit", "/etc/systemd/system/other.service.d/50-mine.conf", 2, "Restart=no"),
    ]
    assert [(one.path, one.number) for one, _ in overriding_drop_ins(lines, {ours})] == [(theirs, 2)]


def test_lines_of_this_machine_are_read(local_host):
    lines = local_host.get_fact(ConfigurationLines)
    assert all(line.path.startswith("/") and line.number > 0 and line.text[0] not in "#;" for line in lines)

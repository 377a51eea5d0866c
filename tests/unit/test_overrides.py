"""Configuration of others that wins over ours: found in every kind of file, named with its line."""

import pytest

from xteam_infra.layers.base.override_facts import ConfigurationLines, Line
from xteam_infra.layers.base.overrides import OURS, names_lost, overriding, overriding_drop_ins

SYSCTL = OURS["sysctl"]
TEXT = {
    "sysctl": (SYSCTL, "kernel.sysrq = 0\nnet.ipv4.tcp_rmem = 1 2 3\n"),
    "sshd": (OURS["sshd"], "PasswordAuthentication no\n"),
    "journald": (OURS["journald"], "[Journal]\nStorage=persistent\n"),
    "apt": (OURS["apt"], 'APT::Periodic::Unattended-Upgrade "1";\n'),
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


UNITS = "/etc/systemd/system"


def drop_ins_found(*theirs):
    ours = {
        f"{UNITS}/etcd.service.d/10-xteam.conf": "Restart=always",
        f"{UNITS}/xteam-api@.service": "MemoryMax=512M",
        f"{UNITS}/redis-server@queue.service.d/10-xteam.conf": "MemoryMax=64M",
        f"{UNITS}/redis-server@cache.service.d/10-xteam.conf": "MemoryMax=32M",
    }
    lines = [Line("own", path, 0, "") for path in ours] + [Line("unit", path, 2, text) for path, text in ours.items()]
    lines += [Line("unit", f"{UNITS}/{path}", 3, text) for path, text in theirs]
    return [(one.path.removeprefix(f"{UNITS}/"), our.text) for one, our in overriding_drop_ins(lines)]


@pytest.mark.parametrize(
    ("path", "text", "over"),
    [
        ("etcd.service.d/override.conf", "Restart=no", "Restart=always"),
        ("etcd.service.d/50-mine.conf", "Restart = no", "Restart=always"),
        ("xteam-api@.service.d/00-mine.conf", "MemoryMax=infinity", "MemoryMax=512M"),
        ("xteam-api@blue.service.d/mine.conf", "MemoryMax=infinity", "MemoryMax=512M"),
        ("redis-server@.service.d/50-mine.conf", "MemoryMax=infinity", "MemoryMax=64M"),
        ("redis-server@cache.service.d/50-mine.conf", "MemoryMax=64M", "MemoryMax=32M"),
    ],
)
def test_a_drop_in_that_wins_over_ours_is_found(path, text, over):
    assert drop_ins_found((path, text)) == [(path, over)]


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("etcd.service.d/00-mine.conf", "Restart=no"),
        ("etcd.service.d/50-mine.conf", "Nice=5"),
        ("etcd.service.d/50-mine.conf", "Restart=always"),
        ("other.service.d/50-mine.conf", "Restart=no"),
        ("other.service", "Restart=no"),
        ("redis-server@mine.service.d/50-mine.conf", "MemoryMax=infinity"),
    ],
)
def test_a_drop_in_that_takes_nothing_from_ours_is_left_alone(path, text):
    assert not drop_ins_found((path, text))


def test_what_systemd_adds_up_wins_only_by_emptying_it():
    ours, theirs = f"{UNITS}/xteam-x.service", f"{UNITS}/xteam-x.service.d/50-mine.conf"
    lines = [Line("own", ours, 0, ""), Line("unit", ours, 3, "ExecStart=/x"), Line("unit", theirs, 2, "ExecStart=/y")]
    assert not list(overriding_drop_ins(lines))
    assert [one.number for one, _ in overriding_drop_ins([*lines, Line("unit", theirs, 1, "ExecStart=")])] == [1]


@pytest.mark.parametrize(
    ("text", "lost"),
    [
        ("hosts: files dns", False),
        ("hosts: files myhostname resolve [!UNAVAIL=return] dns", False),
        ("hosts: resolve [!UNAVAIL=return] files dns", False),
        ("hosts: dns files", True),
        ("hosts: dns", True),
        ("passwd: files", False),
    ],
)
def test_names_are_lost_when_a_name_server_is_asked_first(text, lost):
    assert bool(list(names_lost([Line("nsswitch", "/etc/nsswitch.conf", 7, text)]))) == lost


def test_lines_of_this_machine_are_read(local_host):
    lines = local_host.get_fact(ConfigurationLines)
    assert all(line.path.startswith("/") and line.number > 0 and line.text[0] not in "#;" for line in lines)

"""service, stopped, packages and certificates: which commands a host's state calls for. The lab runs them for real."""

from dataclasses import replace

import pytest
from conftest import commands_of
from pyinfra.api import OperationValueError

from xteam_infra.engine.operations import packages, service, stopped
from xteam_infra.layers.certificates.operations import certificates
from xteam_infra.pki import Authority, Subject, make_authority
from xteam_infra.plan import Certificate

UNIT = "redis-server@queue.service"


def state(active="active", enabled="enabled", reload="no", applied="1", digest="1"):
    lines = {"ActiveState": active, "UnitFileState": enabled, "NeedDaemonReload": reload}
    return [f"{key}={value}" for key, value in {**lines, "Applied": applied, "Digest": digest}.items()]


def text_of(operation, *arguments, **options):
    return "\n".join(command.get_raw_value() for command in commands_of(operation, *arguments, **options))


def test_a_unit_with_its_present_files_is_left_alone(fake_host):
    fake_host({"systemctl show": state()})
    assert commands_of(service, UNIT, ["/etc/redis/queue.conf"]) == []


@pytest.mark.parametrize(
    ("found", "verb"),
    [
        (state(digest="2"), "reload"),
        (state(applied=""), "reload"),
        (state(reload="yes"), "reload"),
        (state(enabled="disabled"), "reload"),
        (state(active="failed"), "restart"),
        (state(active="inactive", enabled="masked"), "restart"),
    ],
)
def test_what_differs_decides_what_is_done(fake_host, found, verb):
    fake_host({"systemctl show": found})
    assert f"systemctl {verb} {UNIT}" in text_of(service, UNIT, ["/etc/redis/queue.conf"], action="reload")


def test_a_run_that_dies_half_way_is_made_good(fake_host):
    """The stamp goes before the restart, and comes back only when the unit is healthy."""
    fake_host({"systemctl show": state(digest="2")})
    text = text_of(service, UNIT, ["/etc/redis/queue.conf"], health="redis-cli ping")
    steps = [
        "rm -f /var/lib/xteam/applied/",
        f"systemctl restart {UNIT}",
        "redis-cli ping",
        "> /var/lib/xteam/applied/",
    ]
    places = [text.index(step) for step in steps]
    assert places == sorted(places), text


def test_a_masked_unit_is_unmasked_and_enabled(fake_host):
    fake_host({"systemctl show": state(active="inactive", enabled="masked")})
    text = text_of(service, UNIT)
    assert text.index(f"systemctl unmask {UNIT}") < text.index(f"systemctl enable -q {UNIT}")


def test_no_other_verbs(fake_host):
    with pytest.raises(OperationValueError, match="restart or reload, not start"):
        commands_of(service, UNIT, action="start")


def test_stopped_masks_what_could_start(fake_host):
    fake_host({"systemctl show": state()})
    assert f"systemctl mask -q {UNIT}" in text_of(stopped, UNIT)
    fake_host({"systemctl show": state(active="inactive", enabled="masked")})
    assert commands_of(stopped, UNIT) == []


def test_packages_that_are_there_are_not_installed(fake_host):
    fake_host({"dpkg-query": ["haproxy installed", "redis-server installed"]})
    assert commands_of(packages, ["haproxy", "redis-server"]) == []


def test_only_missing_packages_are_installed_and_masked_units_first(fake_host):
    fake_host({"dpkg-query": ["haproxy installed", "redis-server config-files"]})
    mask, install = commands_of(packages, ["haproxy", "redis-server"], ["redis-server.service"])
    assert "/etc/systemd/system/redis-server.service" in mask.get_raw_value()
    assert install.get_raw_value().endswith("install redis-server")
    assert "policy-rc.d" in install.get_raw_value(), "a package could start its service"


# --- Certificates

WANTED = Certificate("api", Subject("app1", ("app1.xteam.internal",), ("10.0.0.5",)), owner="xteam")


@pytest.fixture
def authority(monkeypatch):
    made = Authority(make_authority())
    monkeypatch.setitem(certificates._inner.__globals__, "authority", lambda issuer: made)
    return made


def held(leaf, owner="xteam", mode="600"):
    return ["FILE /etc/xteam/pki/api.crt", f"{owner} {mode}", *leaf.certificate.splitlines()]


def test_a_good_certificate_is_kept(fake_host, authority):
    fake_host({"FILE ": held(authority.issue(WANTED.subject, 90))})
    assert commands_of(certificates, [WANTED], 90, 30) == []


@pytest.mark.parametrize(
    "fault", ["missing", "few days", "other name", "other purpose", "other authority", "readable by all", "other owner"]
)
def test_a_bad_certificate_is_replaced(fake_host, authority, fault):
    leaf = authority.issue(WANTED.subject, 20 if fault == "few days" else 90)
    if fault == "other name":
        leaf = authority.issue(Subject("app1", ("old.xteam.internal",), ("10.0.0.5",)), 90)
    if fault == "other purpose":
        leaf = authority.issue(replace(WANTED.subject, purpose="both"), 90)
    if fault == "other authority":
        leaf = Authority(make_authority()).issue(WANTED.subject, 90)
    owner = "root" if fault == "other owner" else "xteam"
    found = held(leaf, owner, "644" if fault == "readable by all" else "600")
    fake_host({"FILE ": [] if fault == "missing" else found})
    key, certificate = commands_of(certificates, [WANTED], 90, 30)
    assert "/etc/xteam/pki/api.key" in key.get_raw_value() and "chmod 600" in key.get_raw_value()
    assert "PRIVATE KEY" in key.connector_arguments["_stdin"] and "PRIVATE" not in key.get_raw_value()
    assert "/etc/xteam/pki/api.crt" in certificate.get_raw_value()

"""Debian 13's sources, derived from whatever apt configuration the machine has."""

import pytest

from lab import aptconf
from lab.errors import LabError


@pytest.fixture
def etc(tmp_path):
    (tmp_path / "apt/sources.list.d").mkdir(parents=True)
    (tmp_path / "os-release").write_text('NAME="Debian"\nVERSION_CODENAME=bookworm\n')
    return tmp_path


def test_one_line_sources(etc):
    (etc / "apt/sources.list").write_text(
        "# deb http://old.example/debian bookworm main\n"
        "deb [arch=amd64] http://mirror.example/debian/ bookworm main contrib\n"
        "deb http://mirror.example/debian-security bookworm-security main\n"
    )
    assert aptconf.sources(etc) == [
        "deb http://mirror.example/debian trixie main",
        "deb http://mirror.example/debian trixie-updates main",
        "deb http://mirror.example/debian-security trixie-security main",
    ]


def test_deb822_sources(etc):
    (etc / "apt/sources.list.d/debian.sources").write_text(
        "Types: deb deb-src\n# a comment\nURIs: https://mirror.example/debian\nSuites: bookworm bookworm-updates\n"
        "Components: main\n\nTypes: deb\nURIs: https://mirror.example/debian-security\nSuites: bookworm-security\n"
    )
    assert aptconf.sources(etc)[0] == "deb https://mirror.example/debian trixie main"
    assert aptconf.sources(etc)[2] == "deb https://mirror.example/debian-security trixie-security main"


def test_disabled_and_foreign_archives_are_not_taken(etc):
    (etc / "apt/sources.list.d/off.sources").write_text(
        "Enabled: no\nTypes: deb\nURIs: http://off.example/debian\nSuites: bookworm\n"
    )
    (etc / "apt/sources.list.d/other.list").write_text("deb http://vendor.example/tools bookworm main\n")
    with pytest.raises(LabError, match="no Debian mirror for bookworm"):
        aptconf.sources(etc)


def test_security_archive_is_looked_for_beside_the_mirror(etc):
    (etc / "apt/sources.list").write_text("deb http://mirror.example/debian bookworm main\n")
    assert aptconf.sources(etc)[2] == "deb http://mirror.example/debian-security trixie-security main"


def test_mirror_list_of_cloud_images_is_resolved(etc, tmp_path):
    mirrors = tmp_path / "mirrors.list"
    mirrors.write_text("# chosen by the provider\nhttp://near.example/debian\n")
    (etc / "apt/sources.list.d/debian.sources").write_text(
        f"Types: deb\nURIs: mirror+file:{mirrors}\nSuites: bookworm\nComponents: main\n"
    )
    assert aptconf.sources(etc)[0] == "deb http://near.example/debian trixie main"


def test_proxy_is_carried_and_the_rest_of_the_configuration_is_not(monkeypatch):
    dump = (
        'Acquire::http::Proxy "http://proxy.example:3128";\nAcquire::Check-Valid-Until "false";\n'
        'Acquire::https::CaInfo "/etc/ssl/company.pem";\nAPT::Get::Assume-Yes "true";\nAcquire::http "";\n'
    )
    monkeypatch.setattr(aptconf, "run", lambda command: dump)
    monkeypatch.setenv("http_proxy", "http://from-environment.example")
    monkeypatch.delenv("https_proxy", raising=False)
    assert aptconf.settings() == [
        'Acquire::Languages "none";',
        'Acquire::http::Proxy "http://proxy.example:3128";',
        'Acquire::Check-Valid-Until "false";',
        'Acquire::https::CaInfo "/etc/ssl/company.pem";',
    ]


def test_proxy_of_the_environment_counts_when_apt_has_none(monkeypatch):
    monkeypatch.setattr(aptconf, "run", lambda command: "")
    monkeypatch.setenv("http_proxy", "http://proxy.example:3128")
    assert 'Acquire::http::Proxy "http://proxy.example:3128";' in aptconf.settings()

"""A change of password: what is refused, what the store knows at each moment, what the host's file becomes."""

import json
import subprocess

import pytest

from xteam_infra.errors import SettingsError
from xteam_infra.layers.postgres import password_rotation as postgres_rotation
from xteam_infra.layers.postgres.credentials_fact import Credentials, digest_of, lines_of
from xteam_infra.layers.postgres.password_rotation import begin
from xteam_infra.secrets import Secret, Vault, open_store

OLD, NEW = Secret("postgres/app"), Secret("postgres/app.next")


@pytest.fixture
def vault(tmp_path, monkeypatch):
    path = tmp_path / "rotation.json"
    path.write_text(json.dumps({OLD.name: "old-password"}))
    path.chmod(0o600)
    found = Vault(open_store(f"file:{path}"), may_write=lambda: False)
    monkeypatch.setattr(postgres_rotation, "vault", lambda: found)
    return found, lambda: json.loads(path.read_text())


@pytest.mark.parametrize("name", ["postgres/monitor", "app/SECRET_KEY", "postgres/ap", None])
def test_secret_that_can_not_be_changed_so(declaration, vault, name):
    declaration.own["secret"] = name
    with pytest.raises(SettingsError) as refused:
        begin(declaration.read())
    assert "one of postgres/app, postgres/migrator, postgres/readonly" in str(refused.value)


def test_without_postgresql(ha, vault):
    ha.hosts = {name: groups for name, groups in ha.hosts.items() if "postgres" not in groups}
    ha.own["secret"] = OLD.name
    with pytest.raises(SettingsError) as refused:
        begin(ha.read())
    assert "a PostgreSQL host" in str(refused.value)


def test_the_store_learns_of_a_password_before_any_host_and_forgets_the_old_one_last(declaration, vault):
    found, stored = vault
    declaration.own["secret"] = OLD.name
    rotation = begin(declaration.read())
    assert (rotation.role, rotation.second) == ("xteam", "xteam_next")
    new = found.resolve(NEW)
    assert found.resolve(OLD) == new != "old-password", "files of this run have the new password"
    assert stored() == {OLD.name: "old-password"}, "a dry run leaves no trace"
    found.store_generated()
    assert stored() == {OLD.name: "old-password", NEW.name: new}, "an ordinary run meanwhile keeps to the old one"
    found.hand_over(OLD, by=NEW)
    assert stored() == {OLD.name: new, NEW.name: new}
    found.forget(NEW)
    assert stored() == {OLD.name: new}


def test_a_broken_off_change_goes_on_with_the_same_password(declaration, tmp_path, monkeypatch):
    path = tmp_path / "rotation.json"
    path.write_text(json.dumps({OLD.name: "old-password", NEW.name: "begun"}))
    path.chmod(0o600)
    found = Vault(open_store(f"file:{path}"))
    monkeypatch.setattr(postgres_rotation, "vault", lambda: found)
    declaration.own["secret"] = OLD.name
    begin(declaration.read())
    assert found.resolve(OLD) == "begun"


def test_the_file_keeps_everything_but_its_two_lines(local_host, tmp_path):
    path = tmp_path / "app.env"
    path.write_text('A="1"\nPOSTGRES_USER="xteam"\nB="POSTGRES_USER"\nPOSTGRES_PASSWORD="old-password"\nC="3"\n')
    path.chmod(0o640)
    assert local_host.get_fact(Credentials, path=str(path)) == digest_of("xteam", "old-password")
    for command in postgres_rotation.rewritten(str(path), lines_of("xteam_next", 'n=w$&\\1"')):
        words = command.get_raw_value()
        subprocess.run(["sh", "-c", words], input=command.connector_arguments["_stdin"], text=True, check=True)
    wanted = 'A="1"\nPOSTGRES_USER="xteam_next"\nB="POSTGRES_USER"\nPOSTGRES_PASSWORD="n=w\\$&\\\\1\\""\nC="3"\n'
    assert path.read_text() == wanted and path.stat().st_mode & 0o777 == 0o640
    assert not local_host.get_fact(Credentials, path=str(tmp_path / "none"))

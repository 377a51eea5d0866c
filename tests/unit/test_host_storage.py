"""xteam-storage on a host: which keys it makes and asks for, and what it refuses. fscrypt and clevis are stand-ins."""

import io
import json
import shlex

import pytest
from host_programs import Host

CONFIG = {"t": 1, "pins": {"tang": [{"url": "http://10.0.0.11:7070", "thp": "KEYONE"}]}}
STATUS = '1111  No  custom protector "xteam-recovery"\n2222  No  raw key protector "xteam-tang-aa"'
OPEN, CLOSED = ("Policy: 3333\nOptions: padding:32\nUnlocked: Yes", "Policy: 3333\nOptions: padding:32\nUnlocked: No")


@pytest.fixture
def host(tmp_path, monkeypatch):
    with Host(tmp_path) as made:
        volume = tmp_path / "data"
        where = tmp_path / "database"
        branches = [{"name": "postgresql", "where": str(where), "owner": "root"}]
        made.file("/etc/xteam/storage.json", {"path": str(volume), "branches": branches})
        made.volume, made.where = volume, where
        made.encrypted = lambda: ((volume / ".fscrypt").mkdir(parents=True), (volume / "xteam").mkdir())
        made.bound = lambda: made.file(
            "/etc/xteam/storage-binding.json", {"config": CONFIG, "protector": "2222", "jwe": "abc"}
        )
        made.says = lambda text: monkeypatch.setattr("sys.stdin", io.StringIO(text))
        made.fscrypt = lambda state, *more: made.program(
            "fscrypt", *more, (f"status {volume}/xteam", state), (f"status {volume}", STATUS)
        )
        made.says("recovery\n")
        monkeypatch.setattr("shutil.chown", lambda *_: None)
        yield made


def run(host, *words):
    return host.main("xteam_storage.__main__", *words)


@pytest.mark.parametrize("words", [(), ("open",), ("status", "now"), ("bind",)])
def test_without_its_words_it_changes_nothing(host, capsys, words):
    host.fscrypt(OPEN)
    assert run(host, *words) == 2 and "xteam-storage unlock" in capsys.readouterr().err
    assert not host.calls()


def test_help_is_no_error(host, capsys):
    assert run(host, "--help") == 0 and "recovery key" in capsys.readouterr().out


def test_status(host, capsys):
    host.fscrypt(OPEN)
    assert run(host, "status") == 0
    assert json.loads(capsys.readouterr().out) == {"exists": False, "unlocked": False, "options": None, "binding": None}
    host.encrypted()
    host.bound()
    (host.volume / "xteam/postgresql").mkdir()
    assert run(host, "status") == 0
    wanted = {"exists": True, "unlocked": True, "options": "padding:32", "binding": CONFIG}
    assert json.loads(capsys.readouterr().out) == wanted


def test_binding_to_a_key_that_is_gone_is_none(host, capsys):
    host.encrypted()
    host.file("/etc/xteam/storage-binding.json", {"config": CONFIG, "protector": "9999", "jwe": "abc"})
    host.fscrypt(CLOSED)
    assert run(host, "status") == 0 and json.loads(capsys.readouterr().out)["binding"] is None


def test_directory_is_made_once(host):
    host.fscrypt(CLOSED)
    assert run(host, "setup") == 0
    said = host.calls()
    assert any("encrypt" in one and "--name=xteam-recovery" in one for one in said)
    assert not any("recovery\n" in one for one in said), "the recovery key is on no command line"
    assert (host.volume / "xteam/postgresql").is_dir() and host.where.stat().st_mode & 0o777 == 0o700
    (host.volume / ".fscrypt").mkdir()
    host.fscrypt(OPEN)
    host.says("recovery\n")
    assert run(host, "setup") == 0
    assert all(one.split()[1] == "status" for one in host.calls())


def test_files_in_the_clear_are_not_encrypted_over(host, capsys):
    (host.volume / "xteam").mkdir(parents=True)
    (host.volume / "xteam/row").touch()
    host.fscrypt(CLOSED)
    assert run(host, "setup") == 78 and "not encrypted: move them away" in capsys.readouterr().err


def test_recovery_key_must_be_said(host, capsys):
    host.encrypted()
    host.fscrypt(CLOSED)
    host.says("")
    assert run(host, "recover") == 1 and "no recovery key on standard input" in capsys.readouterr().err
    host.says("recovery\n")
    assert (
        run(host, "recover") == 0 and "the recovery key has unlocked the encrypted directory" in capsys.readouterr().out
    )
    assert any("--unlock-with" in one and ":1111" in one for one in host.calls("unlock /"))


def clevis_keeps(host):
    """A stand-in that gives back what it was given."""
    host.program("clevis", ("encrypt", f"sh:cat > {host.root}/key; echo JWE"), ("decrypt", f"sh:cat {host.root}/key"))


def test_a_new_key_takes_the_place_of_the_old(host):
    host.encrypted()
    made = f"{host.root}/made"
    new = f"sed -n 's/.*--name=\\(xteam-tang-[0-9a-f]*\\).*/4444  No  raw key protector \"\\1\"/p' {made}"
    names = f"printf '%s\\n' \"$*\" > {made}"
    told = (f"status {host.volume}", f"sh:printf '%s\\n' {shlex.quote(STATUS)}; {new}")
    host.file("/made")
    host.fscrypt(CLOSED, (f"status {host.volume}/xteam", CLOSED), told, ("create protector", f"sh:{names}"))
    clevis_keeps(host)
    assert run(host, "bind", json.dumps(CONFIG)) == 0
    path = host.root / "etc/xteam/storage-binding.json"
    assert json.loads(path.read_text()) == {"config": CONFIG, "protector": "4444", "jwe": "JWE\n"}
    assert path.stat().st_mode & 0o777 == 0o600
    said = host.calls("metadata")
    added = next(one for one in said if "add-protector-to-policy" in one)
    assert ":4444" in added and ":1111" in added and "/proc/self/fd/" in added
    assert [one for one in said if "destroy" in one and ":2222" in one], "the old key opens it still"


def test_wrong_recovery_key_leaves_no_new_key(host, capsys):
    host.encrypted()
    made = f"{host.root}/made"
    new = f"sed -n 's/.*--name=\\(xteam-tang-[0-9a-f]*\\).*/4444  No  raw key protector \"\\1\"/p' {made}"
    told = (f"status {host.volume}", f"sh:printf '%s\\n' {shlex.quote(STATUS)}; {new}")
    names = ("create protector", f"sh:printf '%s\\n' \"$*\" > {made}")
    host.file("/made")
    host.fscrypt(CLOSED, ("add-protector", 1), (f"status {host.volume}/xteam", CLOSED), told, names)
    clevis_keeps(host)
    assert run(host, "bind", json.dumps(CONFIG)) == 78
    assert "Is storage/recovery in the secrets store the key of this encrypted directory?" in capsys.readouterr().err
    assert [one for one in host.calls("destroy") if ":4444" in one]
    assert not (host.root / "etc/xteam/storage-binding.json").exists()


def test_tang_servers_that_bind_no_key(host, capsys):
    host.encrypted()
    host.fscrypt(CLOSED)
    host.program("clevis", status=1)
    assert run(host, "bind", json.dumps(CONFIG)) == 1
    assert "the Tang servers don't bind a key: They don't answer." in capsys.readouterr().err
    assert not host.calls("create"), "a key was made that nobody can bind"


def test_unlock_asks_the_tang_servers(host, capsys):
    host.encrypted()
    host.bound()
    host.fscrypt(CLOSED)
    host.program("clevis", ("decrypt", "sh:printf %032d 7"))
    assert (
        run(host, "unlock") == 0 and "the Tang servers have unlocked the encrypted directory" in capsys.readouterr().out
    )
    assert any(":2222" in one for one in host.calls("unlock /"))


def test_unlock_waits_for_tang_servers(host, capsys):
    host.encrypted()
    host.bound()
    host.fscrypt(CLOSED)
    host.program("clevis", status=1)
    assert run(host, "unlock") == 1, "systemd tries again"
    assert "1 of http://10.0.0.11:7070 must open the key" in capsys.readouterr().err


def test_unlock_ends_where_time_heals_nothing(host, capsys):
    host.fscrypt(CLOSED)
    assert run(host, "unlock") == 78 and "is the data volume mounted?" in capsys.readouterr().err
    host.encrypted()
    assert run(host, "unlock") == 78 and "is gone: run deploys/storage.py" in capsys.readouterr().err
    host.bound()
    host.fscrypt(CLOSED, ("unlock /", 1))
    host.program("clevis", ("decrypt", "sh:printf %032d 7"))
    assert run(host, "unlock") == 78 and "does not unlock the encrypted directory" in capsys.readouterr().err


def test_what_is_open_stays_so(host, capsys):
    host.encrypted()
    host.fscrypt(OPEN)
    assert run(host, "unlock") == 0 and run(host, "recover") == 0
    assert capsys.readouterr().out == "the encrypted directory is unlocked\n" * 2 and not host.calls("unlock /")


def test_lock(host, capsys):
    host.encrypted()
    host.fscrypt(OPEN)
    assert run(host, "lock") == 0 and host.calls("lock /")
    host.file("/etc/xteam/storage.json", {"path": "/", "branches": [{"name": "x", "where": "/proc", "owner": "root"}]})
    assert run(host, "lock") == 1 and "in use: /proc" in capsys.readouterr().err

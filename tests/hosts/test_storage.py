"""Encryption at rest: where the database's files lie, who opens them, and what waits for that.

That no plain byte reaches the device, and that nothing opens without the key: tests/drills/test_storage.py.
"""

import json
from shlex import quote

import pytest

from checklist.run import not_applicable
from xteam_infra.distribution import DISTRIBUTION

pytestmark = pytest.mark.group("postgres")
BINDING = "/etc/xteam/storage-binding.json"
WAITING = {DISTRIBUTION.postgres_unit: DISTRIBUTION.postgres_home, "pgbackrest.service": "/var/spool/pgbackrest"}


@pytest.fixture
def encrypted(estate):
    """Ends the check unless the estate encrypts by itself."""
    chosen = estate.storage.storage_encryption
    if chosen == "provider":
        not_applicable("a host can't see its provider's encryption: attest it in checklist/attestations.yml")
    assert chosen == "fscrypt", f"storage_encryption is {chosen}: what is on the disk can be read by whoever holds it"


@pytest.fixture
def binding(host, encrypted):
    """The binding without the key in it."""
    return json.loads(host.check_output(f"cat {BINDING}"))["config"]


@pytest.mark.item("DB-07", "LAW-04")
def test_database_files_are_in_encrypted_directory(host, estate, encrypted):
    """Data, WAL and the WAL on its way to the archive; by what the server says and what the kernel says of it."""
    data = host.check_output("cd / && runuser -u postgres -- psql -XAtqc 'show data_directory'")
    places = [data, f"{data}/pg_wal", f"{data}/base"]
    places += ["/var/spool/pgbackrest"] if estate.members("backup") else []
    for place in places:
        said = host.run(f'fscrypt status "$(readlink -f {quote(place)})"')
        assert said.rc == 0 and "is encrypted with fscrypt" in said.stdout, f"{place} is not encrypted"
        assert "contents:AES_256_XTS" in said.stdout, f"{place}: {said.stdout}"
    outside = host.check_output(f"find {DISTRIBUTION.postgres_data}/pg_tblspc -mindepth 1 -maxdepth 1")
    assert not outside, f"tablespaces outside the encrypted directory: {outside}"


@pytest.mark.item("DB-07", "LAW-04")
def test_postgresql_requires_encrypted_mounts(host, estate, encrypted):
    """What uses the encrypted directory needs its mount, the mount needs the unit that opens it, and all of that
    happens at boot."""
    for unit, where in WAITING.items():
        if unit == "pgbackrest.service" and not estate.members("backup"):
            continue
        mount = where.strip("/").replace("/", "-") + ".mount"
        needs = host.check_output(f"systemctl show --property Requires,After {unit}").splitlines()
        assert all(mount in line.split("=", 1)[1].split() for line in needs), f"{unit} starts without {mount}"
        opener = host.check_output(f"systemctl show --property Requires,After {mount}").splitlines()
        assert all("xteam-storage.service" in line for line in opener), f"{mount} is mounted without a key"
        assert host.run(f"systemctl is-enabled {mount}").stdout.strip() == "enabled", f"{mount} is not mounted at boot"
    opens = host.run("systemctl is-enabled xteam-storage.service").stdout.strip()
    assert opens == "enabled", f"nothing unlocks the encrypted directory at boot: {opens}"


@pytest.mark.item("DB-07")
def test_every_tang_server_unlocks_encrypted_directory(host, estate, binding):
    """With the keys the encrypted directory is bound to. Nothing of the key is kept by asking."""
    servers = binding["pins"]["tang"]
    assert binding["t"] == estate.storage.storage_tang_threshold, f"{binding['t']} Tang servers must answer"
    for one in servers:
        answer = host.run(f"curl -sf -m 10 {quote(one['url'] + '/adv/' + one['thp'])}")
        assert answer.rc == 0 and "signature" in answer.stdout, f"{one['url']} does not know the key of the binding"
    read = f"import json; print(json.load(open('{BINDING}'))['jwe'], end='')"
    size = host.check_output(f"python3 -I -c {quote(read)} | timeout 40 clevis decrypt | wc -c").strip()
    assert size == "32", f"the Tang servers open a key of {size} bytes"


@pytest.mark.item("DB-07")
def test_tang_servers_are_no_database_hosts(estate, encrypted, binding):
    """Who carries a database host away must not have its key as well."""
    if all("postgres" in machine.groups for machine in estate.machines):
        not_applicable("every host is a database host: nobody else could hold the key")
    databases = {name for one in estate.members("postgres") for name in (one.address, one.name, estate.fqdn(one.name))}
    holders = {one["url"].split("//")[1].split(":")[0] for one in binding["pins"]["tang"]}
    assert not holders & databases, f"{sorted(holders & databases)} hold keys and data"


@pytest.mark.item("DB-07")
def test_no_storage_key_on_host(host, secret, encrypted):
    """The recovery key is nowhere, and the binding is root's alone."""
    places = "/etc /root /run /tmp /var/tmp /var/lib/xteam /var/log /usr/local"
    found = host.run_with_stdin(f"grep -rlIFf - {places} 2>/dev/null", secret("storage/recovery") + "\n")
    assert not found.stdout.strip(), f"the recovery key stands in {found.stdout.split()}"
    mode = host.check_output(f"stat -c '%U %a' {BINDING}")
    assert mode == "root 600", f"{BINDING} is {mode}"

"""Bad input as a user meets it: `pyinfra` itself refuses it, exits 1, and no operation starts on any host."""

import json
import re
import socket
from datetime import UTC, datetime, timedelta
from urllib.request import Request, urlopen

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization

from xteam_infra.pki import make_authority

moto = pytest.importorskip("moto.server")
FIT = {"os": "debian 13", "init": "systemd", "memory_mb": 16000, "disk_free_gb": 100, "user": "root"}
DEPLOYS = ("deploys/preflight.py", "deploys/base.py")


def fake_hosts(group="edge", **unlike):
    """An inventory of one host that answers preflight's question without being there."""
    facts = [f"{key}={value}" for key, value in {"clock": "%d", **FIT, **unlike}.items()]
    return f"""
import time as _time
_answers = [line.replace("%d", str(int(_time.time()))) for line in {facts!r}]
_data = {{"fake_delay": 0, "fake_delay_jitter": 0, "address": "10.0.0.1"}}
{group} = [("@fake/{group}1", {{**_data, "fake_responses": {{"/etc/os-release": _answers}}}})]
"""


def refused(result, *words):
    """What the user reads; the run has failed before its first operation."""
    said = re.sub(r"\x1b\[[0-9;]*m", "", result.stdout + result.stderr)
    assert result.returncode == 1, said
    assert "Starting operation" not in said, said
    assert "Traceback" not in said, said
    for word in words:
        assert word in said, said
    return said


def test_the_fake_host_is_fit(pyinfra):
    """Else the tests below would prove nothing."""
    result = pyinfra("--dry", pyinfra.inventory(fake_hosts()), "deploys/preflight.py")
    assert result.returncode == 0, result.stderr


@pytest.mark.parametrize(
    ("unlike", "words"),
    [
        ({"os": "debian 12"}, ("host @fake/edge1: operating system", "debian 12", "debian 13")),
        ({"user": "deploy"}, ("sudo", "passwordless sudo")),
        ({"disk_free_gb": 1}, ("free space on /", "disk_free_min_gb")),
        ({"clock": 1_000_000_000}, ("clock", "set up NTP")),
        ({"memory_mb": 300}, ("memory", "MiB planned", "reserve 512", "300 MiB: lower one, or use a larger host")),
    ],
)
def test_unfit_host(pyinfra, unlike, words):
    refused(pyinfra("-y", pyinfra.inventory(fake_hosts(**unlike)), *DEPLOYS), *words, "no host was changed")


def test_unreachable_host(pyinfra, tmp_path):
    """Nothing listens on a port that was free a moment ago. The other host must not be changed either."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    (tmp_path / "known_hosts").write_text("")
    data = {"ssh_hostname": "127.0.0.1", "ssh_port": port, "ssh_known_hosts_file": str(tmp_path / "known_hosts")}
    there = fake_hosts()
    path = pyinfra.inventory(f"{there}\napp = [('app1', {data!r})]")
    said = refused(pyinfra("-y", path, *DEPLOYS), "app1", "Could not connect")
    assert f"app1 can't be reached; nothing was changed. To go on without: pyinfra {path} {DEPLOYS[0]}" in said
    assert said.rstrip().endswith("--exclude app1"), said


def test_a_host_that_is_said_to_be_down(pyinfra):
    """The run goes on without it, and ends with what to run when it is back."""
    path = pyinfra.inventory(f"{fake_hosts()}\napp = [('app1', {{'address': '10.0.0.2'}})]")
    result = pyinfra("--dry", "--exclude", "app1", path, "deploys/preflight.py")
    assert result.returncode == 0, result.stderr
    wanted = f"app1 took no part: nothing was done there. When it is back: pyinfra {path} deploys/all.py"
    assert wanted in result.stderr, result.stderr


def test_more_are_down_than_a_majority_bears(pyinfra):
    names = ["@fake/etcd1", "etcd2", "etcd3"]
    path = pyinfra.inventory(f"etcd = {names!r}")
    words = ("-y", "--exclude", "etcd2", "--exclude", "etcd3", path, *DEPLOYS)
    refused(pyinfra(*words), "etcd2, etcd3: 2 of the 3 hosts of group etcd", "at most 1 of them", "no host was changed")


def test_unknown_key_on_the_command_line(pyinfra):
    path = pyinfra.inventory(fake_hosts())
    refused(pyinfra("-y", "--data", "journal_max_use=9", path, *DEPLOYS), "--data: journal_max_use", "did you mean")


@pytest.mark.parametrize("limit", ["edge2", "app", "rediss"])
def test_limit_that_matches_nothing(pyinfra, limit):
    path = pyinfra.inventory(f"{fake_hosts()}\napp = []")
    refused(pyinfra("-y", "--limit", limit, path, *DEPLOYS), f"{limit} matches no host", "a host (@fake/edge1)")


def test_everything_excluded(pyinfra):
    path = pyinfra.inventory(fake_hosts())
    refused(pyinfra("-y", "--exclude", "edge", path, *DEPLOYS), "every host is excluded")


def test_inventory_without_hosts(pyinfra):
    refused(pyinfra("-y", pyinfra.inventory("edge = []"), *DEPLOYS), "hosts", "at least one host")


def test_inventory_that_is_not_there(pyinfra):
    refused(pyinfra("-y", "inventories/prodd.py", *DEPLOYS), "there is no such file", "inventories/prod.py")


@pytest.mark.parametrize("name", ["prod", "staging", "small"])
def test_inventory_with_placeholders(pyinfra, name):
    said = refused(pyinfra("-y", f"inventories/{name}.py", *DEPLOYS), "not the placeholder", "ssh-keyscan")
    assert f"inventories/{name}.py: " in said and "ssh_hostname" in said


def test_secrets_store_that_others_may_read(pyinfra, tmp_path):
    path = pyinfra.inventory(fake_hosts("app"))
    (tmp_path / "secrets.json").write_text("{}")
    (tmp_path / "secrets.json").chmod(0o644)
    refused(pyinfra("-y", path, *DEPLOYS), "secrets_store", "can be read by others", "chmod 600")


def test_secrets_store_that_does_not_answer(pyinfra):
    path = pyinfra.inventory(fake_hosts("app"), 'secrets_store = "aws:eu-central-1/xteam"')
    environment = {
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
        "AWS_ENDPOINT_URL_SECRETS_MANAGER": "http://127.0.0.1:9",
    }
    result = pyinfra("-y", path, *DEPLOYS, environment=environment)
    refused(result, "secrets_store", "can't be read in AWS Secrets Manager", "secretsmanager:GetSecretValue")


def test_secrets_store_that_denies(pyinfra):
    """A stand-in for AWS that enforces policies: these keys may do nothing."""
    server = moto.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    address = f"http://{host}:{port}"
    try:
        enforce_policies(address, b"0")
        path = pyinfra.inventory(fake_hosts("app"), 'secrets_store = "aws:eu-central-1/xteam"')
        environment = {
            "AWS_ACCESS_KEY_ID": "testing",
            "AWS_SECRET_ACCESS_KEY": "testing",
            "AWS_ENDPOINT_URL_SECRETS_MANAGER": address,
        }
        result = pyinfra("-y", path, *DEPLOYS, environment=environment)
        refused(result, "group_data/all.py", "secrets_store", "can't be read", "secretsmanager:GetSecretValue")
    finally:
        enforce_policies(address, b"Infinity")
        server.stop()


def enforce_policies(address, requests):
    """From so many requests on."""
    request = Request(f"{address}/moto-api/reset-auth", requests, {"Content-Type": "text/plain"})  # noqa: S310
    urlopen(request, timeout=10).close()  # noqa: S310 - our own address


def test_store_that_is_none(pyinfra):
    path = pyinfra.inventory(fake_hosts(), 'secrets_store = "vault:somewhere"')
    refused(pyinfra("-y", path, *DEPLOYS), "vault:somewhere", "is not a store", "aws:REGION/PREFIX")


def test_expired_authority(pyinfra, tmp_path):
    path = pyinfra.inventory(fake_hosts())
    store = tmp_path / "secrets.json"
    store.write_text(json.dumps({"pki/ca": expired(make_authority())}))
    store.chmod(0o600)
    refused(pyinfra("-y", path, *DEPLOYS), "the internal CA (secret pki/ca) is valid until", "a new CA is made")


def expired(bundle):
    """The same authority, ended yesterday."""
    key = serialization.load_pem_private_key(bundle.encode(), None)
    old = x509.load_pem_x509_certificate(bundle[bundle.index("-----BEGIN CERT") :].encode())
    yesterday = datetime.now(UTC) - timedelta(days=1)
    builder = x509.CertificateBuilder().subject_name(old.subject).issuer_name(old.issuer)
    builder = builder.public_key(old.public_key()).serial_number(1)
    builder = builder.not_valid_before(yesterday - timedelta(days=9)).not_valid_after(yesterday)
    new = builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM).decode()
    return bundle[: bundle.index("-----BEGIN CERT")] + new

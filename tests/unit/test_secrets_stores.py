"""The two stores behave alike: a value stands once, is never made twice, and is refused clearly."""

import json
import multiprocessing
from http.client import HTTPConnection

import boto3
import pytest

from xteam_infra.errors import SecretsError
from xteam_infra.secrets import Secret, Vault, open_store

moto = pytest.importorskip("moto.server")


@pytest.fixture(scope="module")
def aws():
    """A local stand-in for AWS that speaks its protocol over HTTP; the address."""
    server = moto.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def credentials(aws, monkeypatch):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    monkeypatch.setenv("AWS_ENDPOINT_URL_SECRETS_MANAGER", aws)
    call(aws, "reset")


def call(aws, action, data=b""):
    connection = HTTPConnection(aws.removeprefix("http://"), timeout=10)
    connection.request("POST", f"/moto-api/{action}", data, {"Content-Type": "text/plain"})
    assert connection.getresponse().status == 200
    connection.close()


@pytest.fixture(params=["file", "aws"])
def address(request, tmp_path):
    if request.param == "aws":
        request.getfixturevalue("credentials")
        return "aws:eu-central-1/xteam"
    return f"file:{tmp_path}/deep/secrets.json"


def test_a_value_stands_once_it_is_made(address):
    store = open_store(address)
    assert store.get("redis/queue/app") is None
    assert store.create("redis/queue/app", "first") == "first"
    assert store.create("redis/queue/app", "second") == "first", "another controller's value was overwritten"
    assert open_store(address).get("redis/queue/app") == "first"


def test_a_missing_value_is_made_and_kept(address):
    value = Vault(open_store(address)).resolve(Secret("postgres/app"))
    assert len(value) == 64 and value.isalnum()
    assert Vault(open_store(address)).resolve(Secret("postgres/app")) == value


def test_a_value_is_replaced_and_forgotten(address):
    """A rotation hands over, forgets, and may begin again at once under the same name."""
    store = open_store(address)
    store.replace("postgres/app", "first")
    store.replace("postgres/app", "second")
    assert open_store(address).get("postgres/app") == "second"
    store.create("postgres/app.next", "third")
    store.remove("postgres/app.next")
    store.remove("postgres/app.next")
    assert open_store(address).get("postgres/app.next") is None
    assert open_store(address).create("postgres/app.next", "fourth") == "fourth"
    assert open_store(address).get("postgres/app") == "second", "another value was touched"


def test_a_dry_run_leaves_no_trace(address):
    vault = Vault(open_store(address), may_write=lambda: False)
    assert vault.resolve(Secret("postgres/app")) == vault.resolve(Secret("postgres/app"))
    assert open_store(address).get("postgres/app") is None


def test_what_only_its_owner_has_is_not_made_up(address):
    with pytest.raises(SecretsError, match=r"sentry/dsn is not in the store .* put its value there"):
        Vault(open_store(address)).resolve(Secret("sentry/dsn", generate="never"))


def test_two_runs_at_once_don_t_use_two_values(address):
    may_write = [False, False]
    vaults = [Vault(open_store(address), may_write=lambda n=n: may_write[n]) for n in (0, 1)]
    values = [vault.resolve(Secret("postgres/app")) for vault in vaults]
    assert values[0] != values[1], "both runs are still planning"
    vaults[0].store_generated()
    with pytest.raises(SecretsError, match="another run has just made secret postgres/app: run again"):
        vaults[1].store_generated()


@pytest.mark.parametrize("address", ["", "vault:x", "file:", "aws"])
def test_no_such_store(address):
    with pytest.raises(SecretsError, match=r'secrets_store = .* is not a store; allowed: "file:PATH"'):
        open_store(address)


def test_file_is_for_its_owner_alone(tmp_path):
    open_store(f"file:{tmp_path}/new/secrets.json").create("a", "b")
    assert (tmp_path / "new/secrets.json").stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "new").stat().st_mode & 0o777 == 0o700
    (tmp_path / "new/secrets.json").chmod(0o640)
    with pytest.raises(SecretsError, match=r"can be read by others; fix: chmod 600 .*secrets\.json"):
        open_store(f"file:{tmp_path}/new/secrets.json").get("a")


def test_damaged_file_is_not_replaced(tmp_path):
    path = tmp_path / "secrets.json"
    path.write_text('{"a": "b"')
    path.chmod(0o600)
    for use in (lambda store: store.get("a"), lambda store: store.create("c", "d")):
        with pytest.raises(SecretsError, match="can't be read"):
            use(open_store(f"file:{path}"))
    assert path.read_text() == '{"a": "b"'


def test_file_keeps_what_several_runs_write_at_once(tmp_path):
    address = f"file:{tmp_path}/secrets.json"
    context = multiprocessing.get_context("fork")
    runs = [context.Process(target=_create_many, args=(address, n)) for n in range(4)]
    for run in runs:
        run.start()
    for run in runs:
        run.join()
    assert len(json.loads((tmp_path / "secrets.json").read_text())) == 4 * 10 + 1


def _create_many(address, run):
    store = open_store(address)
    for n in range(10):
        store.create(f"run{run}/{n}", "x")
    store.create("shared", str(run))


def test_aws_secrets_are_below_the_prefix_and_tagged(credentials):
    open_store("aws:eu-central-1/xteam/prod").create("redis/queue/app", "value")
    (found,) = boto3.client("secretsmanager", region_name="eu-central-1").list_secrets()["SecretList"]
    assert found["Name"] == "xteam/prod/redis/queue/app"
    assert {"Key": "managed-by", "Value": "xteam-infra"} in found["Tags"]


def test_aws_denies(aws, credentials):
    """With the policies enforced an unknown key may do nothing."""
    call(aws, "reset-auth", b"0")
    try:
        store = open_store("aws:eu-central-1/xteam")
        for verb, use in (("read", lambda: store.get("a")), ("created", lambda: store.create("a", "value-of-a"))):
            with pytest.raises(SecretsError) as refused:
                use()
            said = str(refused.value)
            assert f"secret xteam/a can't be {verb} in AWS Secrets Manager, region eu-central-1" in said
            assert "secretsmanager:GetSecretValue and CreateSecret on xteam/*" in said
            assert "value-of-a" not in said
    finally:
        call(aws, "reset-auth", b"Infinity")


def test_aws_without_credentials(aws, monkeypatch, tmp_path):
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)  # it remembers credentials
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_ENDPOINT_URL_SECRETS_MANAGER", aws)
    with pytest.raises(SecretsError, match="Unable to locate credentials"):
        open_store("aws:eu-central-1/xteam").get("a")

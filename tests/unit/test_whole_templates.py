"""Whole files with hostile secrets: each reader finds every value, and everything else as with harmless ones.

tests/hosts/test_hostile_values.py asks the services' own programs the same.
"""

import configparser
import hashlib
import json
import re
from urllib.parse import unquote

import botocore.session
import pytest
import yaml
from redis.connection import parse_url

from tests.hostile import VALUES
from tests.whole_templates import NEVER, contexts, rendered, with_secrets, words_of_redis
from xteam_infra.secrets.escape import NotCarried

HARMLESS = "Kx7mQ2xR9tB4wZ8nL5cY1dF6"


def flat(tree, prefix=""):
    if isinstance(tree, dict):
        return {key: value for name, one in tree.items() for key, value in flat(one, f"{prefix}/{name}").items()}
    if isinstance(tree, list):
        return flat(dict(enumerate(tree)), prefix)
    return {prefix: tree}


def of_env(text):
    """systemd.exec(5), EnvironmentFile: one assignment a line, double quotes, backslashes."""
    found = {}
    for line in text.splitlines():
        if line and not line.startswith("#"):
            name, value = re.fullmatch(r'(\w+)="((?:[^"\\]|\\.)*)"', line).groups()
            value = re.sub(r'\\(["\\`$])', r"\1", value)
            url = value.startswith("rediss://")
            found[name] = parse_url(value)["password"] if url else value
            assert not url or unquote(value.split("@")[0].split(":")[2]) == found[name]
    return found


def of_ini(text):
    parser = configparser.RawConfigParser(delimiters="=", comment_prefixes="#")
    parser.read_string(text)
    return {f"{section}/{key}": value for section in parser.sections() for key, value in parser[section].items()}


def of_redis(text):
    lines = [words_of_redis(line) for line in text.splitlines() if line and not line.startswith("#")]
    return {f"{number} {index}": word for number, words in enumerate(lines) for index, word in enumerate(words)}


def of_haproxy(text):
    found = {}
    for number, line in enumerate(text.splitlines()):
        if "AUTH" in line:
            assert not set(line) & set("#'\"$"), "outside quotes each of these means something"
            _, _, bare = line.partition("tcp-check send ")
            sent = re.sub(rb"\\x([0-9a-f]{2})|\\(.)", _of_haproxy, bare.encode()).decode()
            assert re.search(r"(?<!\\) ", bare) is None, "a word ends before its time"
            found |= {f"{number} {index}": word for index, word in enumerate(words_of_redis(sent.removesuffix("\r\n")))}
        else:
            found[f"{number}"] = line
    return found


def _of_haproxy(one):
    return bytes.fromhex(one[1].decode()) if one[1] else {b"r": b"\r", b"n": b"\n"}.get(one[2], one[2])


def of_aws(text, directory):
    (directory / "credentials").write_text(text)
    session = botocore.session.Session()
    session.set_config_variable("credentials_file", str(directory / "credentials"))
    session.set_config_variable("profile", "default")
    found = session.get_component("credential_provider").get_provider("shared-credentials-file").load()
    return {"id": found.access_key, "key": found.secret_key}


READERS = {
    "app/app.env.j2": of_env,
    "app/migrate.env.j2": of_env,
    "backup/repository.conf.j2": of_ini,
    "postgres/patroni.yml.j2": lambda text: flat(yaml.safe_load(text)),
    "redis/exporter.json.j2": lambda text: flat(json.loads(text)),
    "redis/redis.acl.j2": of_redis,
    "redis/redis.start.conf.j2": of_redis,
    "redis/sentinel.acl.j2": of_redis,
    "redis/sentinel.conf.j2": of_redis,
    "redis_backup/serve.conf.j2": of_redis,
    "router/router.cfg.j2": of_haproxy,
    "shared/password.j2": lambda text: {"": text.removesuffix("\n").strip()},
    "shared/s3.credentials.j2": of_aws,
}


@pytest.fixture
def estate(ha):
    ha.own["backup_s3_bucket"], ha.own["backup_s3_region"] = "xteam-backups", "eu-central-1"
    return ha.read()


@pytest.fixture
def read(tmp_path, monkeypatch):
    """Take a file apart as its reader does."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)

    def take_apart(template, text):
        return of_aws(text, tmp_path) if READERS[template] is of_aws else READERS[template](text)

    return take_apart


def test_every_template_with_secrets_is_known_here(estate):
    assert set("#@:/ \"'\\$%") <= set("".join(VALUES.values())), "these values are not hostile"
    assert set(with_secrets()) == set(contexts(estate)) == set(READERS)


@pytest.mark.parametrize("value", VALUES.values(), ids=VALUES)
@pytest.mark.parametrize("template", with_secrets())
def test_the_reader_of_the_whole_file_finds_every_value(estate, read, template, value):
    """And nothing else has changed. Or nothing is written: the value is refused beforehand."""
    try:
        text, used = rendered(estate, template, value)
    except NotCarried:
        assert template in REFUSES, "a value is refused that this format can carry"
        return
    plainly, plain = rendered(estate, template, HARMLESS)
    found, harmless = read(template, text), read(template, plainly)
    assert found.keys() == harmless.keys(), "the value has changed what else stands in the file"
    secrets = {one: name for name, value in plain.items() for one in (value, hashed(value))}
    seen = set()
    for key, was in harmless.items():
        if was in secrets:
            seen.add(secrets[was])
            assert found[key] == (hashed(used[secrets[was]]) if was.startswith("#") else used[secrets[was]])
        else:
            assert found[key] == was, f"{key} was {was} with harmless secrets"
    assert seen == set(used), "a secret stands nowhere in the file"


# Formats that have no way to write some of these values; the settings refuse them by name before any host is changed.
REFUSES = {"backup/repository.conf.j2", "redis/sentinel.conf.j2", "shared/password.j2", "shared/s3.credentials.j2"}


def hashed(value):
    """As a file of Redis' users has it."""
    return f"#{hashlib.sha256(value.encode()).hexdigest()}"


@pytest.mark.parametrize("value", NEVER.values(), ids=NEVER)
@pytest.mark.parametrize("template", with_secrets())
def test_what_is_no_line_of_text_is_written_nowhere(estate, template, value):
    with pytest.raises(NotCarried):
        rendered(estate, template, value)

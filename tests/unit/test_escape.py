"""Every secret in a template goes through the filter of the format it stands in, and that format's reader finds it."""

import configparser
import hashlib
import json
import re
import shlex
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
import yaml
from jinja2 import nodes
from redis.connection import parse_url

from tests.hostile import VALUES, hostile
from xteam_infra import validate
from xteam_infra.engine import runtime
from xteam_infra.secrets import escape
from xteam_infra.settings.stored import Stored

TEMPLATES = Path(runtime.PROJECT, "templates")
ALL_VALUES = {**VALUES, "other lines": "a\x85b\u2028c\u2029d"}
# The outermost filter of each template: its format.
OUTERMOST = {
    "app/app.env.j2": "env",
    "app/migrate.env.j2": "env",
    "backup/repository.conf.j2": "ini",
    "postgres/patroni.yml.j2": "yaml",
    "redis/exporter.json.j2": "json",
    "redis/redis.acl.j2": "acl",
    "redis/redis.start.conf.j2": "redis",
    "redis/sentinel.acl.j2": "acl",
    "redis/sentinel.conf.j2": "sentinel",
    "redis_backup/serve.conf.j2": "acl",
    "router/router.cfg.j2": "haproxy",
    "shared/password.j2": "line",
    "shared/s3.credentials.j2": "aws",
}


def chains():
    """(template, filters) of each secret in a template: innermost first."""
    environment = runtime._templates()
    for path in sorted(TEMPLATES.rglob("*.j2")):
        tree = environment.parse(path.read_text())
        name = str(path.relative_to(TEMPLATES))
        around = {id(one.node): one for one in tree.find_all(nodes.Filter)}
        for call in tree.find_all(nodes.Call):
            if isinstance(call.node, nodes.Name) and call.node.name == "secret":
                found, inner = [], call
                while id(inner) in around:
                    inner = around[id(inner)]
                    found.append(inner.name)
                yield name, tuple(found)


CHAINS = sorted(set(chains()))


def test_every_secret_of_a_template_is_written_in_its_format():
    assert {name for name, _ in CHAINS} == set(OUTERMOST), "a template with secrets that this test does not know"
    for name, found in CHAINS:
        assert found and set(found) <= set(escape.FORMATS), f"{name}: a secret without the filter of its format"
        assert found[-1] == OUTERMOST[name], f"{name}: {found}"


def test_no_secret_reaches_a_template_by_another_name():
    for path in TEMPLATES.rglob("*.j2"):
        used = re.sub(r"\bsecret\(", "", path.read_text())
        assert not re.search(r"\{[{%][^}]*\bsecret\b", used), f"{path.name} uses a secret without calling it"


# --- Readers, each as far from this project's code as can be


def of_systemd(text):
    """systemd's rules inside double quotes of an EnvironmentFile (systemd.exec(5)); a check asks systemd itself."""
    found, rest = "", iter(text)
    for one in rest:
        if one == "\\":
            following = next(rest)
            found += following if following in '"\\`$' else one + following
        else:
            assert one != '"', "the quotes end before the value does"
            found += one
    return found


def of_redis(text):
    """sdssplitargs, for a word in double quotes."""
    assert text[0] == text[-1] == '"'
    return re.sub(r"\\(.)", r"\1", text[1:-1])


def of_haproxy(text):
    assert not set(text) & set(" \t#'\"$"), "outside quotes each of these means something"
    return re.sub(rb"\\x([0-9a-f]{2})", lambda one: bytes.fromhex(one[1].decode()), text.encode()).decode()


def of_ini(text):
    parser = configparser.RawConfigParser(delimiters="=", comment_prefixes="#")
    parser.read_string(f"[global]\nkey={text}\n")
    return parser["global"]["key"]


def of_url(text):
    for url in (f"rediss://app:{text}@redis.test:6379/0?a=b", f"redis://:{text}@redis.test/1"):
        assert urlsplit(url).hostname == "redis.test"
        found = parse_url(url)
        assert found["host"] == "redis.test"
    assert unquote(text) == found["password"]
    return found["password"]


READERS = {
    "env": of_systemd,
    "redis": of_redis,
    "sentinel": of_redis,
    "haproxy": of_haproxy,
    "ini": of_ini,
    "aws": of_ini,
    "url": of_url,
    "yaml": lambda text: yaml.safe_load(f"a:\n  password: {text}\n")["a"]["password"],
    "json": lambda text: json.loads(f'{{"a": {text}}}')["a"],
    "shell": lambda text: shlex.split(f"echo {text}")[1],
    "line": lambda text: text.strip(),
    "word": lambda text: text.split()[0],
    "sql": lambda text: text[1:-1].replace("''", "'"),
}


@pytest.mark.parametrize("value", ALL_VALUES.values(), ids=ALL_VALUES)
@pytest.mark.parametrize("chain", sorted({chain for _, chain in CHAINS}), ids="-".join)
def test_the_reader_finds_the_value(chain, value):
    """Or the value is refused, before anything is written."""
    if escape.refused(value, chain):
        with pytest.raises(escape.NotCarried):
            for name in chain:
                escape.FORMATS[name](value)
        return
    text = value
    for name in chain:
        text = escape.FORMATS[name](text)
    if chain[-1] == "acl":
        assert text == f"#{hashlib.sha256(value.encode()).hexdigest()}"
        return
    for name in reversed(chain):
        text = READERS[name](text)
    assert text == value


@pytest.mark.parametrize("value", ALL_VALUES.values(), ids=ALL_VALUES)
@pytest.mark.parametrize("name", ["shell", "sql", "word"])
def test_code_writes_in_the_format_too(name, value):
    try:
        written = escape.FORMATS[name](value)
    except escape.NotCarried:
        return
    assert READERS[name](written) == value


@pytest.mark.parametrize("name", escape.FORMATS)
@pytest.mark.parametrize("value", ["two\nlines", "nul\0", "tab\t", "\x1b[31m", "", "carriage\r", "\u2028"])
def test_what_is_no_line_of_text_is_refused_without_showing_it(name, value):
    with pytest.raises(escape.NotCarried) as refused:
        escape.FORMATS[name](value)
    assert not value or value not in str(refused.value)


def test_a_placeholder_stays_as_it_is():
    mark = escape.placeholder("redis/queue/app")
    for name in escape.FORMATS:
        assert escape.FORMATS[name](mark) == "<secret redis/queue/app>"


@pytest.mark.parametrize("end", [" x", "x "])
def test_spaces_at_the_ends_are_refused(end):
    for name in ("line", "ini"):
        assert "spaces at its ends" in escape.refused(end, (name,))


# --- The store's values, before any host is changed


def stored(estate):
    return {one.name: one for one in validate.stored(estate)}


def test_hostile_values_of_ordinary_characters_are_accepted(ha):
    ha.own["backup_s3_bucket"], ha.own["backup_s3_region"] = "xteam-backups", "eu-central-1"
    values = {name: hostile(one) for name, one in stored(ha.read()).items() if one.measured}
    assert len(values) > 30
    ha.store.write_text(json.dumps(values))
    ha.store.chmod(0o600)
    ha.read()
    carries_all = "#@:/?&%$`;=+,|*^~<>()[]{}"
    assert set(carries_all) <= set(values["redis/queue/app"]), "that is not hostile"


BAD = {
    "two lines": ("Kx7#mQ2xR9tB4wZ8\n@nL5c/Y1dF6:gH3jP0s", "printable characters of one line"),
    "a tab": ("Kx7#mQ2xR9tB4wZ8\t@nL5c/Y1dF6:gH3jP0s", "printable characters of one line"),
    "a space at the end": ("Kx7#mQ2xR9tB4wZ8@nL5c/Y1dF6:gH3jP0s ", "spaces at its ends"),
    "too long": ("Kx7#mQ2xR9tB4wZ8@nL5c/Y1dF6:gH3jP0s" + "0aB1cD2eF3" * 23, "at most"),
    "beyond ASCII": ("Kx7#mQ2xR9tB4wZ8@nL5c/Y1dF6:gH3jP0ß", "ASCII"),
}
NAMES = (
    "redis/queue/app",
    "etcd/patroni",
    "backup/repo1-cipher",
    "files/app1/cipher",
    "storage/recovery",
)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(("value", "allowed"), BAD.values(), ids=BAD)
def test_what_a_reader_would_misread_is_refused_by_its_name(ha, name, value, allowed):
    ha.store.write_text(json.dumps({name: value}))
    ha.store.chmod(0o600)
    said = ha.problems()[name]
    assert allowed in said and value[:8] not in said and value[-8:] not in said


@pytest.mark.parametrize(
    ("name", "value", "why"),
    [
        ("etcd/patroni", "Kx7mQ2xR9tB4wZ8nL5cY1dF6 gH3jP0sAA", "without spaces"),
        ("etcd/patroni", "Kx7mQ2xR9tB4wZ8nL5cY1dF6gH3jP0s" * 2 + "aB0_cD1-eF2-xyz", "at most 72"),
        ("redis/queue/sentinel", 'Kx7mQ2xR9tB4wZ8nL5c"Y1dF6gH3jP0s', "spaces and quotes"),
        ("backup/repo1-cipher", "correct-horse", "13 characters"),
        ("etcd/patroni", "a" * 40, "repeats a part"),
        ("backup/s3-key-id", "changeme", "placeholder"),
        ("backup/s3-key-id", "abc", "3 characters"),
        ("backup/s3-key", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", "placeholder"),
        ("backup/s3-key", "Kx7mQ2xR9tB4wZ8n#L5cY1dF6gH3jP0s", "A-Z"),
    ],
)
def test_secrets_that_nothing_measured_before(ha, name, value, why):
    ha.own["backup_s3_bucket"], ha.own["backup_s3_region"] = "xteam-backups", "eu-central-1"
    ha.store.write_text(json.dumps({name: value}))
    ha.store.chmod(0o600)
    said = ha.problems()[name]
    assert why in said and value not in said.replace("a placeholder: it contains the word change", "")


@pytest.mark.parametrize("value", ["AKIA" + "IOSFODNN7ABCDEFG", "001f3a7c9e2b", "Kx7m/Q2x+R9tB4wZ8nL5cY1dF6gH3jP0s="])
def test_keys_as_providers_give_them_are_accepted(ha, value):
    ha.own["backup_s3_bucket"], ha.own["backup_s3_region"] = "xteam-backups", "eu-central-1"
    name = "backup/s3-key" if len(value) > 20 else "backup/s3-key-id"
    ha.store.write_text(json.dumps({name: value}))
    ha.store.chmod(0o600)
    ha.read()


def test_a_value_of_a_rule_of_its_own():
    assert hostile(Stored("x", ("aws",))) and not escape.refused(hostile(Stored("x", ("aws",))), ("aws",))

"""Nothing that a run prints shows a secret it knows: whole, written in another format, or its beginning."""

import base64
import io
import json
import subprocess
import sys
from urllib.parse import quote

import pytest

from tests.unit.conftest import PROJECT
from xteam_infra.secrets import escape
from xteam_infra.secrets.mask import Mask, MaskedStream

VALUE = "vK7#mQ2xR9tB4wZ8@nL5c/Y1d\"F6:g'H3jP\\0s"
KEY = "-----BEGIN PRIVATE" + " KEY-----\nMIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQg\n-----END PRIVATE KEY-----\n"
CERTIFICATE = "-----BEGIN CERTIFICATE-----\nMIIBszCCAVmgAwIBAgIUJ1\n-----END CERTIFICATE-----\n"


@pytest.fixture
def mask():
    found = Mask()
    found.add("redis/queue/app", VALUE)
    return found


FORMS = {
    "as it is": VALUE,
    "URL": quote(VALUE, safe=""),
    "base64": base64.b64encode(VALUE.encode()).decode(),
    "environment file": escape.env(VALUE),
    "JSON": json.dumps(VALUE),
    "JSON in JSON": json.dumps(json.dumps({"password": VALUE})),
    "redis.conf": escape.redis(VALUE),
    "haproxy.cfg": escape.haproxy(escape.redis(VALUE)),
    "shell": escape.shell(VALUE),
    "Python": repr(VALUE),
}


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_no_form_of_a_value_is_shown(mask, form):
    said = mask(f"invalid literal: {form} in app.env")
    assert "<secret redis/queue/app>" in said and said.startswith("invalid literal: ") and said.endswith(" in app.env")
    for part in (VALUE[:8], VALUE[-8:], VALUE[14:24]):
        assert part not in said


@pytest.mark.parametrize("length", range(8, len(VALUE)))
def test_no_beginning_of_a_value_is_shown(mask, length):
    assert mask(f"port {VALUE[:length]!s} is none") == "port <secret redis/queue/app> is none"


def test_what_is_no_secret_stays(mask):
    text = "redis-server@queue.service: vK7#mQ2 is short, 10.0.0.1:6379\n"
    assert mask(text) == text


def test_the_longest_of_two_that_begin_alike_is_named(mask):
    mask.add("redis/queue/other", VALUE + "-and-more")
    assert mask(f"{VALUE}-and-more") == "<secret redis/queue/other>"


def test_an_address_is_hidden_when_all_of_it_is_there(mask):
    mask.add("app/SENTRY_DSN", "https://0123456789@sentry.test/1")
    assert mask("https://0123.test") == "https://0123.test"
    assert mask("at https://0123456789@sentry.test/1.") == "at <secret app/SENTRY_DSN>."


def test_a_private_key_is_hidden_and_its_certificate_is_not(mask):
    mask.add("pki/ca", CERTIFICATE + KEY)
    said = mask(CERTIFICATE + KEY)
    assert "MIIBszCCAVmgAwIBAgIUJ1" in said and "MIGHAgEAMBMG" not in said


def test_a_stream_passes_everything_else_on(mask):
    inner = io.StringIO()
    stream = MaskedStream(inner, mask)
    print("before", VALUE, "after", file=stream)
    stream.writelines(["a\n", f"{VALUE}\n"])
    assert inner.getvalue() == "before <secret redis/queue/app> after\na\n<secret redis/queue/app>\n"
    assert stream.getvalue() == inner.getvalue()


PROGRAM = """
import config, click, sys
from pyinfra import logger
from pyinfra_cli.log import setup_logging
from xteam_infra.secrets.mask import MASK
MASK.add("redis/queue/app", VALUE)
setup_logging(10)
click.echo(f"echo {VALUE}"); click.echo(f"echo {VALUE}", err=True)
logger.info("log %s", VALUE)
print(f"print {VALUE}")
raise ValueError(f"traceback {VALUE}")
"""


@pytest.mark.parametrize("language", ["C.UTF-8", "C"])
def test_nothing_that_the_pyinfra_command_prints_shows_one(language):
    """config.py is what it reads first."""
    code = f"VALUE = {VALUE!r}\n{PROGRAM}"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=PROJECT, capture_output=True, text=True, env={"LC_ALL": language}, check=False
    )
    said = done.stdout + done.stderr
    # The interpreter quotes no source of -c.
    for kind in ("echo", "log", "print", "ValueError: traceback"):
        assert f"{kind} <secret redis/queue/app>" in said, said
    assert VALUE[:8] not in said

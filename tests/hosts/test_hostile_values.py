"""Whole files with hostile secrets, read by the very programs they are for: each gets the value that the store has.

tests/unit/test_whole_templates.py has every template; here are the readers that only a host has. Scratch instances,
made and removed; what runs is not touched.
"""

import json
from pathlib import Path
from shlex import quote

import pytest

from tests.hostile import VALUES
from tests.whole_templates import rendered
from xteam_infra.secrets.escape import NotCarried

PROGRAM = Path(__file__).with_name("hostile_on_host.py").read_text()


@pytest.fixture
def asked(host):
    """What a program of the host makes of these cases."""

    def ask(kind, cases):
        assert cases, "no value can be written: this check proves nothing"
        said = host.run_with_stdin(f"python3 -c {quote(PROGRAM)} {kind}", json.dumps(cases), timeout=180)
        assert said.rc == 0, said.stderr[-1500:]
        return json.loads(said.stdout)

    return ask


def files(estate, *templates):
    """[(texts of these templates, {secret: its value})] for every value that they can carry."""
    found = []
    for value in VALUES.values():
        try:
            pairs = [rendered(estate, one, value) for one in templates]
        except NotCarried:
            continue
        found.append(([text for text, _ in pairs], {name: one for _, used in pairs for name, one in used.items()}))
    return found


@pytest.mark.group("redis", first=True)
def test_redis_reads_what_the_store_has(estate, asked):
    role = next(iter(estate.redis.redis_instances))
    cases, wanted = [], []
    for (conf, acl), used in files(estate, "redis/redis.start.conf.j2", "redis/redis.acl.j2"):
        logins = [(name.rpartition("/")[2], value) for name, value in used.items()]
        # The administrator last: he may ask what the instance was told.
        logins.sort(key=lambda one: one[0] == "admin")
        show = [("CONFIG", "GET", "masterauth")]
        cases.append({"text": conf, "acl": acl, "logins": logins, "show": show, "words": [], "starts": 1})
        wanted.append(["OK"] * len(logins) + [["masterauth", used[f"redis/{role}/replica"]]])
    found = [[one.lstrip("+") if isinstance(one, str) else one[0] for one in said] for said in asked("redis", cases)]
    assert found == wanted, "an instance was told another password than the store has"


@pytest.mark.group("redis", first=True)
def test_sentinel_reads_what_the_store_has(estate, asked):
    """Also after it has written its file anew."""
    cases, wanted = [], []
    for (conf, acl), used in files(estate, "redis/sentinel.conf.j2", "redis/sentinel.acl.j2"):
        login, own = ("admin", used["redis/sentinel/admin"]), used["redis/sentinel/sentinel"]
        show = [("SENTINEL", "CONFIG", "GET", "sentinel-pass"), ("SENTINEL", "FLUSHCONFIG")]
        cases.append({"text": conf, "acl": acl, "logins": [login], "show": show, "words": ["--sentinel"], "starts": 2})
        wanted.append(["+OK", [["sentinel-pass", own], "+OK"]] * 2)
    assert asked("redis", cases) == wanted, "Sentinel was told another password than the store has"


@pytest.mark.group("backup", first=True)
def test_pgbackrest_reads_what_the_store_has(estate, asked):
    """Shown by a file that it encrypts: another program reads it with the password."""
    [name] = {one for _, used in files(estate, "backup/repository.conf.j2") for one in used if "repo1" in one}
    cases = [{"text": text, "password": used[name]} for [text], used in files(estate, "backup/repository.conf.j2")]
    assert asked("pgbackrest", cases) == ["plain"] * len(cases), "the repository has another password than the store"


@pytest.mark.group("app", first=True)
@pytest.mark.parametrize("template", ["app/app.env.j2", "app/migrate.env.j2"])
def test_systemd_reads_what_the_store_has(estate, asked, template):
    pairs = files(estate, template)
    for found, (_, used) in zip(asked("environment", [{"text": text} for [text], _ in pairs]), pairs, strict=True):
        password = next(value for name, value in used.items() if name.startswith("postgres/"))
        assert found["POSTGRES_PASSWORD"] == password, "systemd reads another password than the store has"
        assert found["PYTHONDONTWRITEBYTECODE"] == "1", "the file ends before its end"


@pytest.mark.group("app", first=True)
def test_haproxy_reads_what_the_store_has(estate, asked):
    """Whether it takes the file; what it sends is read in tests/unit/test_whole_templates.py."""
    said = asked("haproxy", [{"text": text} for [text], _ in files(estate, "router/router.cfg.j2")])
    assert not any("[ALERT]" in one or "[WARNING]" in one for one in said), f"HAProxy refuses it: {said}"

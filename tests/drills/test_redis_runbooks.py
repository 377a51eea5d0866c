"""Redis' runbooks, carried out by an operator who types what stands there. docs/runbooks/redis-restore.md is in
test_redis_restore.py."""

import hashlib
import shutil
from pathlib import Path

import pytest

from checklist.rerun import deploy
from checklist.run import not_applicable
from tests.drills.harness.redis import all_follow, ask, master_of
from xteam_infra.layers.redis.needs import SENTINEL

pytestmark = pytest.mark.group("redis", first=True)
DEPLOY = Path("deploys/redis.py")


@pytest.mark.item("RED-05")
def test_the_failover_runbook(host, hosts, estate, runbook, eventually):
    if len(hosts.group("redis")) == 1:
        not_applicable("one Redis host: nobody to fail over to")
    book = runbook("redis-failover")
    first = master_of(host, hosts, "sessions")
    said = book.run("look", host, ROLE="sessions")
    assert first.address in said and "usable Sentinels" in said
    assert "handed over to" in book.run("hand-over", first, ROLE="sessions")
    second = master_of(host, hosts, "sessions")
    assert second.name != first.name
    eventually(lambda: all_follow(host, hosts, estate, ["sessions"]), seconds=60, interval=1)
    # INPROG, as the table says, until Sentinel has done with the hand-over.
    eventually(lambda: book.run("force", host, ROLE="sessions"), seconds=60, interval=1)
    eventually(lambda: master_of(host, hosts, "sessions").name != second.name, seconds=60, interval=1)
    eventually(lambda: all_follow(host, hosts, estate, ["sessions"]), seconds=60, interval=1)
    host.check_output("systemctl stop redis-server@cache.service")
    assert "Redis" in book.run("journal", host, ROLE="cache")
    book.run("mend")
    eventually(lambda: "PONG" in host.run("xteam-redis cache PING").stdout, seconds=30)


@pytest.mark.item("RED-06")
def test_the_memory_runbook(host, hosts, estate, runbook):
    book = runbook("redis-memory-full")
    wanted = estate.redis.redis_instances["queue"].memory_mb * 1024 * 1024
    master = master_of(host, hosts, "queue")
    assert "maxmemory_policy:noeviction" in book.run("look", master, ROLE="queue")
    book.run("at-once", master, ROLE="queue", BYTES=str(wanted + 1024 * 1024))
    assert str(wanted + 1024 * 1024) in ask(master, "queue", "CONFIG GET maxmemory")
    book.run("to-stay")
    assert str(wanted) in ask(master, "queue", "CONFIG GET maxmemory").split()


@pytest.mark.item("RED-03")
def test_the_password_runbook(host, estate, runbook):
    book = runbook("redis-password")
    kind, _, store = estate.all.secrets_store.partition(":")
    if kind != "file":
        not_applicable("the store is not a file")
    users = {role: ask(host, role, "ACL LIST") for role in ("sessions", SENTINEL)}
    book.run("forget", STORE=store, **{"redis/ROLE/USER": "redis/sessions/exporter"})
    book.run("apply")
    book.run("look")
    after = ask(host, "sessions", "ACL LIST")
    changed = set(after.splitlines()) ^ set(users["sessions"].splitlines())
    assert all(line.startswith("user exporter ") for line in changed) and len(changed) == 2, "another user changed"
    assert ask(host, SENTINEL, "ACL LIST") == users[SENTINEL]


@pytest.mark.item("RED-04")
def test_the_role_runbook(host, hosts, estate, runbook, pytestconfig, tmp_path, monkeypatch):
    """In a copy of the project; afterwards the role is taken away as the last section says."""
    book = runbook("redis-role")
    project, copy = Path.cwd(), tmp_path / "project"
    for name in (
        "deploys",
        "tasks",
        "group_data",
        "inventories",
        "templates",
        "xteam_infra",
        "lab",
        "examples",
        "config.py",
    ):
        source = project / name
        shutil.copytree(source, copy / name) if source.is_dir() else shutil.copy(source, copy)
    (line,) = (block for block in Path("docs/runbooks/redis-role.md").read_text().split("```text\n")[1:])
    entry = line.split("```")[0]
    settings = copy / "group_data" / "redis.py"
    settings.write_text(settings.read_text().replace("redis_instances = {\n", f"redis_instances = {{\n{entry}", 1))
    layers = {"deploys/all.py": "deploys/certificates.py deploys/firewall.py deploys/redis.py"}
    try:
        monkeypatch.chdir(copy)
        book.run("see", **layers)
        book.run("apply", **layers)
        assert "PONG" in book.run("look", host, ROLE="notes")
        before = hashlib.sha256(ask(host, "queue", "ACL LIST").encode()).hexdigest()
    finally:
        monkeypatch.chdir(project)
        for layer in (Path("deploys/firewall.py"), DEPLOY):
            deploy(pytestconfig.getoption("inventory"), layer, "")
    assert host.run("systemctl is-active redis-server@notes.service").rc != 0, "the role still runs"
    assert host.file("/var/lib/redis/notes/appendonlydir").exists, "its data are gone"
    assert hashlib.sha256(ask(host, "queue", "ACL LIST").encode()).hexdigest() == before
    for one in hosts.group("redis"):
        one.check_output("rm -rf /var/lib/redis/notes")

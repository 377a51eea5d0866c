"""docs/runbooks/encrypt.md: a member whose database is not encrypted is made anew in an encrypted directory."""

from pathlib import Path

import pytest

from checklist.rerun import RerunError, deploy
from checklist.run import not_applicable
from tests.drills.harness.cluster import PATIENCE
from tests.drills.harness.writers import COLUMNS, postgres_orders
from xteam_infra.distribution import DISTRIBUTION

pytestmark = pytest.mark.group("postgres", first=True)
TABLE = "public.xteam_drill_encrypt"
DATA = DISTRIBUTION.postgres_home
STORAGE = Path("deploys/storage.py")
# What makes a bare host a member, without an encrypted directory.
PLAIN = ("base", "firewall", "certificates", "etcd", "postgres", "backup")


@pytest.mark.item("DB-07")
def test_plain_member_is_moved_into_encrypted_directory(
    cluster, client, hosts, estate, secret, faults, runbook, write, figures, eventually, pytestconfig
):
    """A replica that was made without encryption; the application goes on writing."""
    if estate.storage.storage_encryption != "fscrypt" or not hosts.group("backup"):
        not_applicable("no encrypted cluster, or no backup host")
    inventory, book = pytestconfig.getoption("inventory"), runbook("encrypt")
    plain = next(host for host in cluster.members if host.name != cluster.leader())
    faults.replace(plain.name)
    for layer in PLAIN:
        deploy(inventory, Path(f"deploys/{layer}.py"), plain.name, storage_encryption="none")
    eventually(cluster.whole, seconds=PATIENCE, interval=1)
    assert plain.run(f"findmnt {DATA}").rc != 0, (
        "the member has an encrypted directory already: the drill shows nothing"
    )
    with pytest.raises(RerunError, match="not encrypted"):
        deploy(inventory, STORAGE, "")
    with cluster.table(TABLE, COLUMNS):
        application = write(client, postgres_orders(estate, secret, TABLE, "router"))
        book.run("prepare", KEYHOSTS="backup")
        book.run("empty", plain)
        book.run("apply", HOST=plain.name)
        eventually(cluster.whole, seconds=PATIENCE, interval=1)
        said = book.run("look", plain)
        assert f"{estate.storage.storage_path}" in said or "/xteam/postgresql" in said, said
        assert '"unlocked": true' in said and "streaming" in said, said
        book.run("remove", plain)
        book.run("hand-over")
        application.goes_on(eventually, seconds=PATIENCE)
        result = application.result(eventually)
    book.run("done")
    figures.update(result.figures())
    assert result.lost == 0, f"acknowledged writes are lost: {result}"

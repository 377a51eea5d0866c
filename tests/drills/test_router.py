"""Drill on the router: a reload, as a change of its settings causes one, and the end of the process before it.

It breaks the connections that are older than the reload, when that process ends.
"""

import pytest

from tests.drills.harness.writers import COLUMNS, postgres_orders
from tests.hosts.postgres_client import assert_goes_on, conninfo_of
from xteam_infra.layers.celery.needs import takes_tasks
from xteam_infra.layers.router.needs import ROUTER_UNIT, WRITE_PORT

TABLE = "public.xteam_drill"


@pytest.mark.group("postgres", first=True)
@pytest.mark.item("DB-03", "CEL-04")
def test_router_reload_drops_no_connection(cluster, client, estate, secret, write, figures, eventually):
    """An open transaction goes on; who is cut off later comes back at once: a writer, and the workers of the host."""
    settings = estate.postgres
    router = conninfo_of(estate.fqdn("postgres"), WRITE_PORT, user=settings.POSTGRES_USER, dbname=settings.POSTGRES_DB)
    pid = f"systemctl show --property MainPID --value {ROUTER_UNIT}"
    before = client.check_output(pid)
    old = client.check_output(f"pgrep --parent {before}").split()
    with cluster.table(TABLE, COLUMNS):
        writer = write(client, postgres_orders(estate, secret, TABLE, "router"))
        assert_goes_on(client, router, secret(settings.POSTGRES_PASSWORD.name), f"systemctl reload {ROUTER_UNIT}")
        ends = estate.router.router_old_process_seconds + 30
        eventually(lambda: client.run(f"ps -p {','.join(old)}").rc != 0, seconds=ends, interval=0.5)
        writer.goes_on(eventually, seconds=30)
        result = writer.result(eventually)
    figures.update(result.figures())
    assert client.check_output(pid) == before, "the reload has started the router anew"
    assert result.acknowledged > 50 and result.lost == 0, f"{result}"
    for name in estate.celery.celery_workers if "worker" in client.machine.groups else ():
        said = client.run(takes_tasks(estate.celery, name), timeout=120)
        assert said.rc == 0, f"worker {name} of {client.name}: {said.stdout}{said.stderr}"

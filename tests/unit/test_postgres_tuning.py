"""PostgreSQL's parameters: from memory, cores and disk, each to be overridden; a disk too small is refused."""

import pytest

from xteam_infra.engine.facts.hardware import HostHardware
from xteam_infra.layers.postgres.patroni import dynamic
from xteam_infra.layers.postgres.tuning import Hardware, disk_shortage, of_host, table

USUAL = Hardware(cores=8, disk_mb=40 * 1024)


def test_wal_follows_the_disk_and_workers_the_cores(declaration):
    wanted = of_host(declaration.read().postgres, USUAL)
    assert (wanted["max_wal_size"], wanted["min_wal_size"], wanted["max_slot_wal_keep_size"]) == (
        "4096MB",
        "512MB",
        "10240MB",
    )
    assert (wanted["max_parallel_workers"], wanted["max_parallel_workers_per_gather"]) == (8, 2)


@pytest.mark.parametrize(
    ("hardware", "max_wal", "workers"),
    [(Hardware(1, 2048), "256MB", 1), (Hardware(2, 900_000), "8192MB", 2), (Hardware(96, 90_000_000), "8192MB", 8)],
)
def test_small_and_large_hosts_stay_within_bounds(declaration, hardware, max_wal, workers):
    wanted = of_host(declaration.read().postgres, hardware)
    assert wanted["max_wal_size"] == max_wal and wanted["max_parallel_workers"] == workers
    assert 1 <= int(wanted["max_parallel_workers_per_gather"]) <= 4


def test_what_is_set_by_hand_is_not_decided_again(declaration):
    declaration.own |= {
        "postgres_cores": 4,
        "postgres_max_wal_mb": 1000,
        "postgres_parameters": {"max_parallel_workers_per_gather": 0, "random_page_cost": 4},
    }
    estate = declaration.read()
    wanted = of_host(estate.postgres, USUAL)
    shared = dynamic(estate)["postgresql"]["parameters"]
    assert wanted["max_parallel_workers"] == 4 and wanted["max_wal_size"] == "1000MB"
    assert "max_parallel_workers_per_gather" not in wanted and shared["max_parallel_workers_per_gather"] == 0
    assert shared["random_page_cost"] == 4


def test_memory_is_shared_out(declaration):
    declaration.own |= {"postgres_memory_mb": 16 * 1024}
    shared = dynamic(declaration.read())["postgresql"]["parameters"]
    assert (shared["shared_buffers"], shared["effective_cache_size"]) == ("4096MB", "12288MB")
    assert (shared["work_mem"], shared["maintenance_work_mem"]) == ("20MB", "1024MB")


def test_the_table_names_the_host_and_what_was_chosen(declaration):
    declaration.own["postgres_parameters"] = {"work_mem": "99MB"}
    head, *lines = table(declaration.read().postgres, USUAL)
    assert head == "tuned for 1024 MiB memory, 8 cores, 40 GiB disk:"
    assert "  work_mem                         99MB" in lines


def test_a_disk_that_wal_could_fill(declaration):
    settings = declaration.read().postgres
    assert not disk_shortage(settings, USUAL)
    assert disk_shortage(settings, Hardware(2, 1000)) == "WAL of up to 768 MiB on a disk of 1000 MiB"
    declaration.own["postgres_slot_wal_mb"] = 60_000
    assert "64096 MiB on a disk of 40960 MiB" in disk_shortage(declaration.read().postgres, USUAL)


def test_hardware_of_a_directory_that_is_not_there_yet(local_host):
    found = local_host.get_fact(HostHardware, directory="/nonexistent/17/main")
    assert found.cores >= 1 and found.disk_mb > 100

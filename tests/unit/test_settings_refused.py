"""Bad declarations: each is refused before any host is asked, naming file, key, what was found and what is allowed."""

import json
import re

import pytest

from xteam_infra.secrets.vault import make_token
from xteam_infra.settings import BY_LAYER, OWNER_OF_KEY
from xteam_infra.settings.repeated import repeated_keys


def test_the_shipped_values_are_accepted_on_one_host_and_on_twelve(declaration, ha):
    assert len(declaration.read().machines) == 1
    assert len(ha.read().members("postgres")) == 3


def test_every_problem_is_told_at_once(declaration):
    declaration.own = {"redsi_down_after_ms": 1, "logs_port": "x", "timezone": 7}
    assert set(declaration.problems()) == {"redsi_down_after_ms", "logs_port", "timezone"}


def test_unknown_key_with_the_likely_one(declaration):
    declaration.layers["redis"] = {"redis_down_after": 5000}
    said = declaration.problems()["redis_down_after"]
    assert "group_data/redis.py" in said and "5000" in said and "did you mean redis_down_after_ms?" in said


def test_unknown_key_of_an_inventory(declaration):
    declaration.own["postgress_memory_mb"] = 64
    said = declaration.problems()["postgress_memory_mb"]
    assert "group_data/mine.py" in said and "did you mean postgres_memory_mb?" in said


def test_key_in_the_file_of_another_layer(declaration):
    declaration.layers["edge"] = {"max_upload_size_mb": 10}
    assert "this key belongs in group_data/app.py" in declaration.problems()["max_upload_size_mb"]


@pytest.mark.parametrize(
    ("key", "value", "allowed"),
    [
        ("logs_port", "many", "valid integer"),
        ("logs_port", 80, "greater than or equal to 1024"),
        ("unattended_upgrades_enabled", "perhaps", "valid boolean"),
        ("management_networks", ("300.0.0.1",), "300.0.0.1"),
        ("management_networks", ("0.0.0.0/0",), "the whole internet"),
        ("domain", "XTeam", "lower-case host name"),
        ("ACCESS_TOKEN_EXPIRE_MINUTES", 600, "less than or equal to 30"),
        ("certificate_days", 365, "less than or equal to 90"),
        ("extra_inbound", ({"port": 9, "sources": ("0.0.0.0/0",), "comment": "x"},), "narrower than /0"),
    ],
)
def test_wrong_type_or_value(declaration, key, value, allowed):
    declaration.own[key] = value
    said = next(text for found, text in declaration.problems().items() if found.startswith(key))
    assert "group_data/mine.py" in said and allowed in said, said


@pytest.mark.parametrize(
    ("value", "fault"),
    [
        ("too-short", "9 characters"),
        ("changeme-changeme-changeme-changeme", "a placeholder"),
        ("my-secret-key-for-production-0123456", "a placeholder"),
        ("a" * 64, "repeats a part of itself"),
    ],
)
def test_secret_key_that_can_be_guessed(declaration, value, fault):
    declaration.store.write_text(json.dumps({"app/SECRET_KEY": value}))
    declaration.store.chmod(0o600)
    said = next(text for key, text in declaration.problems().items() if "SECRET_KEY" in key)
    assert fault in said and "at least 32 random ASCII characters" in said
    assert value not in said, "the secret itself is shown"


SECRETS = [
    key for model in BY_LAYER.values() for key, field in model.model_fields.items() if "Secret" in str(field.annotation)
]


@pytest.mark.parametrize("key", SECRETS)
def test_secret_as_a_value_instead_of_a_reference(declaration, key):
    declaration.own[key] = "x" * 64
    said = declaration.problems()[key]
    assert re.search(r'a reference such as Secret\("[a-z0-9-]+/\S+"\), never the value', said), said
    assert "x" * 64 not in said, "the secret itself is shown"


SCHEDULES = [key for model in BY_LAYER.values() for key in model.model_fields if re.search("_(on|schedule)$", key)]


@pytest.mark.parametrize("key", SCHEDULES)
def test_schedule_that_systemd_would_refuse(declaration, key):
    declaration.own[key] = "soon"
    assert "systemd calendar expression" in declaration.problems()[key]


def test_database_password_that_can_be_guessed(declaration):
    declaration.store.write_text(json.dumps({"postgres/app": "xteam"}))
    declaration.store.chmod(0o600)
    said = declaration.problems()["postgres/app"]
    assert "5 characters" in said and "at least 20" in said


@pytest.mark.parametrize("key", ["CORS_ALLOW_ORIGINS", "CORS_ALLOW_METHODS", "CORS_ALLOW_HEADERS", "ALLOWED_HOSTS"])
def test_star_where_it_means_everybody(declaration, key):
    declaration.own[key] = ("*",)
    said = declaration.problems()[key]
    assert "group_data/app.py" in said and "*" in said and "names without" in said


def test_debug_in_production(declaration):
    declaration.own["DEBUG"] = True
    assert "False" in declaration.problems()["DEBUG"]


@pytest.mark.parametrize("role", ["queue", "blacklist"])
def test_queue_that_may_be_evicted(declaration, role):
    instances = {**BY_LAYER["redis"]().redis_instances}
    values = {name: instance.model_dump() for name, instance in instances.items()}
    values[role]["policy"] = "allkeys-lru"
    declaration.own["redis_instances"] = values
    said = declaration.problems()[f"redis_instances.{role}.policy"]
    assert "allkeys-lru" in said and "noeviction" in said


def redis_roles(**changes):
    """The shipped roles; of each role named, the values to change."""
    roles = {name: one.model_dump() for name, one in BY_LAYER["redis"]().redis_instances.items()}
    return {name: {**roles.get(name, {}), **changes.get(name, {})} for name in {**roles, **changes}}


def test_two_roles_on_one_port(declaration):
    declaration.own["redis_instances"] = redis_roles(mine={"port": 6381, "memory_mb": 16, "policy": "noeviction"})
    said = declaration.problems()["redis_instances.mine.port"]
    assert "6381" in said and "redis_instances.queue.port" in said


def test_a_role_that_forgets_at_a_restart(declaration):
    declaration.own["redis_instances"] = redis_roles(queue={"appendonly": False})
    assert "a restart would lose" in declaration.problems()["redis_instances.queue.appendonly"]


def test_a_cut_off_master_that_goes_on_beside_the_next_one(declaration):
    declaration.own["redis_instances"] = redis_roles(queue={"max_lag_s": 4}, cache={"min_replicas": 0, "max_lag_s": 9})
    found = declaration.problems()
    assert "at most redis_down_after_ms (3000)" in found["redis_instances.queue.max_lag_s"]
    assert "redis_instances.cache.max_lag_s" not in found, "it never refuses writes"


def test_two_roles_of_one_name(tmp_path):
    """Python itself would keep the second and say nothing."""
    (tmp_path / "redis.py").write_text('redis_instances = {\n "queue": {"port": 1},\n "queue": {"port": 2},\n}\n')
    (problem,) = repeated_keys(tmp_path)
    assert (problem.file, problem.key, problem.found) == ("group_data/redis.py", "queue", "a second time in line 3")


@pytest.mark.parametrize(
    ("value", "fault"), [("hunter2", "7 characters"), ("changeme-changeme-changeme-changeme", "placeholder")]
)
def test_redis_password_that_can_be_guessed(declaration, value, fault):
    declaration.store.write_text(json.dumps({"redis/queue/app": value}))
    declaration.store.chmod(0o600)
    said = declaration.problems()["redis/queue/app"]
    assert fault in said and value not in said


def test_two_redis_roles_with_one_password(declaration):
    value = make_token()
    declaration.store.write_text(json.dumps({"redis/queue/app": value, "redis/sessions/app": value}))
    declaration.store.chmod(0o600)
    said = declaration.problems()["redis/sessions/app"]
    assert "the same password as redis/queue/app" in said and value not in said


def test_pools_beyond_max_connections(ha):
    ha.own["postgres_max_connections"] = 60
    said = ha.problems()["pgbouncer_server_connections"]
    assert "135 connections" in said and "postgres_max_connections of 135 or more (now 60)" in said


def test_application_pools_beyond_the_pooler(ha):
    ha.own |= {"database_pool_size": 100, "database_max_overflow": 100}
    assert "pgbouncer_client_connections" in ha.problems()["database_pool_size + database_max_overflow"]


def worker(**more):
    return {"celery_workers": {"1": {"queues": ("default",), "concurrency": 4, **more}}}


def test_more_worker_processes_than_memory(declaration):
    declaration.own = worker() | {"celery_worker_memory_mb": 325}
    declaration.read()
    declaration.own["celery_worker_memory_mb"] = 324
    assert "at least 325" in declaration.problems()["celery_worker_memory_mb"]


def test_a_worker_with_its_bounds_exchanged(declaration):
    declaration.own = worker(min_concurrency=5)
    said = next(text for key, text in declaration.problems().items() if key.startswith("celery_workers"))
    assert "min_concurrency of at most concurrency (4), not 5" in said


def test_even_number_of_deciders(ha):
    ha.hosts["db4"] = ("postgres", "etcd")
    ha.hosts["redis4"] = ("redis",)
    found = ha.problems()
    assert any("etcd" in said for said in found.values()) and any("redis" in said for said in found.values())


def test_two_layers_on_one_port(declaration):
    declaration.own["logs_port"] = 6381
    said = declaration.problems()["port 6381"]
    assert "host solo1" in said and "redis" in said and "logs" in said


def test_unknown_group(declaration):
    declaration.extra_groups["redsi"] = ["solo1"]
    said = declaration.problems()["redsi"]
    assert "inventories/mine.py" in said and "unknown group" in said and "did you mean redis?" in said


def test_no_host_at_all(declaration):
    declaration.hosts = {}
    assert "at least one host" in declaration.problems()["hosts"]


def test_placeholders_of_the_shipped_values(declaration):
    declaration.own |= {"domain": "xteam.example.com", "management_networks": ()}
    found = declaration.problems()
    assert "not the placeholder" in found["domain"]
    assert "you lock yourself out" in found["management_networks"]


def test_half_a_public_certificate(declaration):
    declaration.own["ssl_certfile"] = "certificates/xteam.pem"
    assert "both ssl_certfile and ssl_keyfile" in declaration.problems()["ssl_keyfile"]


def test_every_key_belongs_to_one_layer():
    assert len(OWNER_OF_KEY) == sum(len(model.model_fields) for model in BY_LAYER.values())


@pytest.mark.parametrize("own", [{"sentry_api": "https://sentry.io/api/0/organizations/acme"}, {"sentry_api": "acme"}])
def test_a_tracker_that_can_not_be_read_back(ha, own):
    ha.own |= own
    assert "sentry_api" in ha.problems()

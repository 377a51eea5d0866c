"""The manifests for Kubernetes: valid by its own schemas, with the units' limits, and without any secret."""

import json
import re
import subprocess
import sys

import kubernetes_validate
import pytest
import yaml

from tests.unit.conftest import HA, OWN, PROJECT, SOLO, Declaration, Pyinfra
from xteam_infra.kubernetes import KubernetesError, Options, Target, manifests
from xteam_infra.kubernetes.__main__ import dump
from xteam_infra.kubernetes.environment import keys_of, validate_environment
from xteam_infra.plan.compose import plans
from xteam_infra.reference import environment_page as environment
from xteam_infra.secrets import Secret

DIGEST = f"sha256:{'ab' * 32}"
IMAGE = f"registry.test/xteam@{DIGEST}"
# The oldest whose sidecars and sleeping hooks are no experiment any more, and the newest that there are schemas for.
VERSIONS = ("1.34", kubernetes_validate.latest_version())
# Everything that is not there by default.
FULL = {
    "SENTRY_DSN": Secret("app/SENTRY_DSN", generate="never"),
    "OPENAI_API_KEY": Secret("app/OPENAI_API_KEY", generate="never"),
    "UPSTREAM_URL": "https://api.upstream.test:8443/v1",
    "ALLOWED_HOSTS": ("xteam.test", "www.xteam.test"),
    "api_cpu_percent": 150,
    "api_memory_mb": 1024,
    "celery_worker_cpu_percent": 50,
    "celery_workers": {
        "mail": {"queues": ("default",), "concurrency": 1},
        "3": {"queues": ("slow",), "concurrency": 2},
    },
}
CASES = {"solo": (SOLO, {}, {}), "ha": (HA, {}, {}), "full": (HA, FULL, {"storage_class": "shared", "max_replicas": 3})}


def target(directory, hosts=HA, own=None, **options):
    estate = Declaration(directory / "secrets.json", dict(hosts), dict(own or {})).read()
    return Target(estate, Options(**{"image": IMAGE, **options}))


@pytest.fixture(params=CASES)
def case(request, tmp_path):
    hosts, own, options = CASES[request.param]
    return target(tmp_path, hosts, own, **options)


@pytest.fixture
def full(tmp_path):
    return target(tmp_path, *CASES["full"][:2])


def of_kind(objects, kind):
    return {one["metadata"]["name"]: one for one in objects if one["kind"] == kind}


def pod_of(one):
    spec = one["spec"].get("jobTemplate", one)["spec"]
    return spec["template"]["spec"]


def pods(objects):
    """{component: spec of its pods}"""
    running = [one for one in objects if one["kind"] in ("Deployment", "Job", "CronJob")]
    return {one["metadata"]["labels"]["app.kubernetes.io/component"]: pod_of(one) for one in running}


def containers(pod):
    return [*pod["initContainers"], *pod["containers"]]


@pytest.mark.item("INF-01")
@pytest.mark.parametrize("version", VERSIONS)
def test_every_object_is_one_that_kubernetes_takes(case, version):
    """As it is printed, by the schemas of that version, which know every key."""
    for one in manifests(case):
        kubernetes_validate.validate(yaml.safe_load(dump(one)), version, strict=True)


@pytest.mark.item("INF-01")
def test_a_wrong_object_is_refused(case):
    """Else the check above could not fail."""
    deployment = of_kind(manifests(case), "Deployment")["api"]
    deployment["spec"]["template"]["spec"]["containers"][0]["resources"]["limit"] = {}
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(deployment, VERSIONS[0], strict=True)


@pytest.mark.item("INF-01")
def test_references_lead_somewhere(case):
    """What a schema can't see: volumes, ConfigMaps, accounts, services and selectors that are named are there."""
    objects = manifests(case)
    configs, services = of_kind(objects, "ConfigMap"), of_kind(objects, "Service")
    for pod in pods(objects).values():
        assert pod["serviceAccountName"] in of_kind(objects, "ServiceAccount")
        volumes = {volume["name"]: volume for volume in pod["volumes"]}
        assert {v["configMap"]["name"] for v in volumes.values() if "configMap" in v} <= set(configs)
        for container in containers(pod):
            assert {mount["name"] for mount in container["volumeMounts"]} <= set(volumes)
            assert {source["configMapRef"]["name"] for source in container.get("envFrom", [])} <= set(configs)
            assert container["image"] == IMAGE
        config = next(one["data"] for name, one in configs.items() if name.startswith("settings-"))["router.cfg"]
        waited_for = pod["initContainers"][0]["startupProbe"]["exec"]["command"][3:]
        assert len(waited_for) == 5
        assert set(waited_for) <= set(re.findall(r"^(?:backend|listen) (\S+)$", config, re.MULTILINE))
    labelled = [one["spec"]["template"]["metadata"]["labels"] for one in of_kind(objects, "Deployment").values()]
    budgets = of_kind(objects, "PodDisruptionBudget")
    assert set(budgets) == set(of_kind(objects, "Deployment")), "each Deployment has a budget"
    for one in budgets.values():
        assert any(one["spec"]["selector"]["matchLabels"].items() <= labels.items() for labels in labelled)
    for rule in of_kind(objects, "Ingress")["api"]["spec"]["rules"]:
        assert {path["backend"]["service"]["name"] for path in rule["http"]["paths"]} <= set(services)


@pytest.mark.item("INF-01")
def test_limits_are_those_of_the_units(case):
    """Of memory as the hosts' plan adds them up, of CPU and the time to end as set."""
    estate, found = case.estate, pods(manifests(case))
    planned = plans(estate)[estate.members("app")[0].name].memory_mb
    wanted = {"api": (planned["api-blue"], estate.app.api_cpu_percent), "beat": (planned["beat"], None)}
    for name in estate.celery.celery_workers:
        wanted[f"worker-{name}"] = (planned[f"worker-{name}"], estate.celery.celery_worker_cpu_percent)
    for component, (memory, cpu) in wanted.items():
        (container,) = found[component]["containers"]
        limits = {"memory": f"{memory}Mi", **({"cpu": f"{cpu * 10}m"} if cpu else {})}
        assert container["resources"]["limits"] == limits, component
        assert container["resources"]["requests"]["memory"] == f"{memory}Mi"
        router = found[component]["initContainers"][0]
        assert router["resources"]["limits"]["memory"] == f"{planned['router']}Mi"
    ends = {component: pod["terminationGracePeriodSeconds"] for component, pod in found.items()}
    drain = max(5, estate.app.api_drain_seconds)
    assert found["api"]["containers"][0]["lifecycle"]["preStop"]["sleep"]["seconds"] == drain
    assert ends["api"] == drain + estate.app.api_graceful_seconds + 10
    assert ends[f"worker-{name}"] == estate.celery.celery_task_time_limit_seconds + 30


@pytest.mark.item("INF-01")
def test_no_secret_is_shown(tmp_path):
    """The store holds them all; the manifests hold their names."""
    wanted = target(tmp_path, HA, FULL)
    keys = keys_of(manifests(wanted))
    values = {name: f"value-of-{number}-0123456789abcdefghijklmnopq" for number, name in enumerate(keys.values())}
    (tmp_path / "secrets.json").touch(mode=0o600)
    (tmp_path / "secrets.json").write_text(json.dumps(values))
    values["app/SECRET_KEY"] = "value-of-vK7#mQ2xR9tB4wZ8@nL5c/Y1dF6:gH3jP0s"
    (tmp_path / "secrets.json").write_text(json.dumps(values))
    assert {"app/SECRET_KEY", "app/SENTRY_DSN", "postgres/app", "postgres/migrator", "redis/queue/app"} <= set(values)
    text = "".join(dump(one) for one in manifests(target(tmp_path, HA, FULL)))
    assert "value-of-" not in text
    assert "<secret" not in text, "a secret's mark is left where nothing will replace it"
    for pod in pods(manifests(wanted)).values():
        for container in containers(pod):
            before = set()
            for one in container["env"]:
                assert set(re.findall(r"\$\((SECRET_\w+)\)", one.get("value", ""))) <= before, one["name"]
                before.add(one["name"])


@pytest.mark.item("INF-01")
def test_a_password_that_a_pod_would_misread_is_refused(tmp_path):
    """Kubernetes puts it into an address as it is; by its name, never its text."""
    value = "vK7#mQ2xR9tB4wZ8@nL5c/Y1dF6:gH3jP0s"
    (tmp_path / "secrets.json").touch(mode=0o600)
    (tmp_path / "secrets.json").write_text(json.dumps({"redis/queue/app": value, "postgres/app": f"{value}2"}))
    with pytest.raises(KubernetesError) as refused:
        validate_environment(target(tmp_path))
    said = str(refused.value)
    assert "redis/queue/app" in said and "postgres/app" not in said and value[:8] not in said


@pytest.mark.item("INF-01")
def test_every_variable_of_the_environment_is_there(full):
    """docs/reference/environment.md, file by file: in the ConfigMap, in the pod, or referred to in the Secret."""
    objects = manifests(full)
    configs, found = of_kind(objects, "ConfigMap"), pods(objects)
    workers = [component for component in found if component.startswith("worker-")]
    takers = {
        "app.env": ["api", *workers, "beat", "cleanup"],
        "migrate.env": ["migrate"],
        "xteam-api@.service": ["api"],
        "worker.env": workers,
    }
    assert len(workers) == 2
    documented = {path.name.removesuffix(".j2"): set(names) for path, names in environment.files().items()}
    assert set(documented) == set(takers), "a file of variables that no pod has"
    for file, components in takers.items():
        for component in components:
            (container,) = found[component]["containers"]
            named = {one["name"] for one in container["env"]}
            for source in container.get("envFrom", []):
                named |= set(configs[source["configMapRef"]["name"]]["data"])
            assert documented[file] <= named, f"{component} lacks {documented[file] - named}"


@pytest.mark.item("INF-01")
def test_pods_are_confined_as_units_are(case):
    objects = manifests(case)
    assert (
        of_kind(objects, "Namespace")["xteam"]["metadata"]["labels"]["pod-security.kubernetes.io/enforce"]
        == "restricted"
    )
    for component, pod in pods(objects).items():
        assert pod["automountServiceAccountToken"] is False
        for container in containers(pod):
            context = container["securityContext"]
            assert context["readOnlyRootFilesystem"] and context["runAsNonRoot"] and context["runAsUser"] > 0, component
            assert context["allowPrivilegeEscalation"] is False and context["capabilities"] == {"drop": ["ALL"]}
            assert context["seccompProfile"] == {"type": "RuntimeDefault"}
            writable = {mount["mountPath"] for mount in container["volumeMounts"] if not mount["readOnly"]}
            allowed = {"/tmp", "/run/xteam-router", "/srv/xteam/uploads", "/srv/xteam/workspaces"}  # noqa: S108
            assert {path for path in writable if not path.startswith("/run/xteam-api-")} <= allowed
    denied = of_kind(objects, "NetworkPolicy")["nothing-else"]["spec"]
    assert denied == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}


@pytest.mark.item("INF-01")
@pytest.mark.parametrize(
    ("own", "kinds"),
    [
        ({"api_memory_mb": 900}, {"Deployment"}),
        ({"api_drain_seconds": 33}, {"Deployment"}),
        ({"ALLOWED_HOSTS": ("other.test",)}, {"Deployment", "ConfigMap", "CronJob", "Ingress"}),
        ({"max_upload_size_mb": 77}, {"Deployment", "ConfigMap", "CronJob", "Ingress"}),
        ({"POSTGRES_DB": "other"}, {"Deployment", "ConfigMap", "CronJob", "Job"}),
        ({"celery_beat_lock_seconds": 60}, {"Deployment", "ConfigMap", "CronJob", "Job"}),
        ({"workspace_cleanup_schedule": "*-*-* 01:05:00"}, {"CronJob"}),
        ({"redis_sentinel_port": 26999}, {"Deployment", "ConfigMap", "CronJob", "Job", "NetworkPolicy"}),
        ({"UPSTREAM_URL": "https://up.test"}, {"Deployment", "ConfigMap", "CronJob", "NetworkPolicy"}),
        ({"api_workers": 4, "postgres_max_connections": 400}, {"Deployment", "HorizontalPodAutoscaler"}),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, dict) else "",
)
def test_a_setting_changes_what_it_should(tmp_path, own, kinds):
    """And nothing else, so that nothing else is started anew."""
    before, after = ({dump(one): one["kind"] for one in manifests(target(tmp_path, HA, one))} for one in ({}, own))
    assert {after[text] for text in set(after) - set(before)} == kinds


def test_secrets_may_come_from_the_estates_store(tmp_path):
    """There is no schema of ExternalSecret in Kubernetes' own: its shape is looked at here."""
    estate = target(tmp_path).estate
    aws = estate.model_copy(
        update={"all": estate.all.model_copy(update={"secrets_store": "aws:eu-central-1/xteam/prod"})}
    )
    objects = manifests(Target(aws, Options(image=IMAGE, secret_store="aws")))  # noqa: S106 - a name
    (found,) = of_kind(objects, "ExternalSecret").values()
    spec = found["spec"]
    assert found["apiVersion"] == "external-secrets.io/v1"
    assert set(spec) == {"refreshInterval", "secretStoreRef", "target", "data"}
    assert spec["secretStoreRef"] == {"kind": "ClusterSecretStore", "name": "aws"} and spec["target"]["name"] == "xteam"
    written = {one["secretKey"]: one["remoteRef"]["key"] for one in spec["data"]}
    assert written["redis.queue.app"] == "xteam/prod/redis/queue/app"
    assert set(written) == set(keys_of(objects))


@pytest.mark.parametrize(
    ("own", "options", "words"),
    [
        ({}, {"image": "registry.test:5000/xteam:1.2"}, ["--image", "registry.test:5000/xteam:1.2", "tag", "@sha256:"]),
        ({}, {"image": ""}, ["--image", "none", "@sha256:"]),
        ({}, {"image": "registry.test/xteam"}, ["--image", "names no version", "@sha256:"]),
        ({}, {"image": "registry.test/xteam@sha256:abc"}, ["--image", "@sha256:"]),
        ({}, {"namespace": "X_Team"}, ["--namespace", "X_Team", "a-z"]),
        ({}, {"ingress_network": "0.0.0.0/0"}, ["--ingress-network", "narrower"]),
        ({}, {"storage": "20"}, ["--storage", "20Gi"]),
        ({}, {"max_replicas": 1}, ["--max-replicas", "at least 2"]),
        ({}, {"secret_store": "aws"}, ["--secret-store", "file:", "by hand"]),
        ({}, {"beside_hosts": True}, ["postgres_max_connections", "pods", "or more (now 200)"]),
        ({"database_pool_size": 60}, {}, ["postgres_max_connections", "130 connections each"]),
        ({"workspace_cleanup_schedule": "Mon *-*-* 03:40:00"}, {}, ["workspace_cleanup_schedule", "time of every day"]),
    ],
)
def test_what_is_wrong_is_named(tmp_path, own, options, words):
    with pytest.raises(KubernetesError) as refused:
        manifests(target(tmp_path, HA, own, **options))
    for word in words:
        assert word in str(refused.value), str(refused.value)


def command(*words):
    return subprocess.run(
        [sys.executable, "-m", "xteam_infra.kubernetes", *words],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.item("INF-01")
def test_the_command_prints_and_writes_the_same(tmp_path):
    hosts = [("one", {"ssh_hostname": "10.99.0.1", "address": "10.99.0.1", "region": "a"})]
    groups = "\n".join(f"{group} = {hosts!r}" for group in SOLO["solo1"])
    path = Pyinfra(tmp_path).inventory(groups)
    printed = command(path, "--image", IMAGE)
    assert printed.returncode == 0, printed.stderr
    assert OWN["domain"] in printed.stdout and "Secret xteam with the keys app.SECRET_KEY" in printed.stderr
    (tmp_path / "out").mkdir()
    (tmp_path / "out/mine.yml").write_text("mine: true\n")
    for _ in range(2):
        assert command(path, "--image", IMAGE, "--output", str(tmp_path / "out")).returncode == 0
    files = sorted((tmp_path / "out").glob("[0-9]*.yml"))
    assert [yaml.safe_load(one.read_text()) for one in files] == list(yaml.safe_load_all(printed.stdout))
    assert (tmp_path / "out/mine.yml").exists(), "a file that is not ours is left alone"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (
            ("inventories/nowhere.py", "--image", IMAGE),
            "no inventory at inventories/nowhere.py; there are: inventories/",
        ),
        (("inventories/prod.py", "--image", IMAGE), "CHANGE-ME"),
    ],
)
def test_the_command_says_what_is_missing(words, said):
    done = command(*words)
    assert done.returncode != 0 and said in done.stderr and "Traceback" not in done.stderr, done.stderr

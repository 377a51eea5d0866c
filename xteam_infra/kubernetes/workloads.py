"""What runs: the API, the workers, Beat, a migration, and the removal of old workspaces."""

import re

from xteam_infra.errors import Problem
from xteam_infra.kubernetes import environment, units
from xteam_infra.kubernetes.environment import Object
from xteam_infra.kubernetes.options import KubernetesError
from xteam_infra.kubernetes.pods import Pod, labels, named, selector
from xteam_infra.kubernetes.target import Target
from xteam_infra.layers.app import files as application
from xteam_infra.layers.app.needs import CURRENT
from xteam_infra.layers.celery.needs import consumes

PYTHON = f"{CURRENT}/venv/bin/python"
API = "api"
# The CPU (thousandths of a core) that a process of the application can be sure of.
PROCESS_CPU_M = 250
# Until every proxy has heard that a pod is going: at least so long it serves on.
NOTICE_SECONDS = 5
# A look at a worker starts Python, and waits for a probe up to 30 s. One that can't be had in this time says nothing.
LOOK_SECONDS = 60
STARTUP_SECONDS = 90
# As migrations themselves give up waiting for each other after ten minutes.
MIGRATION_SECONDS = 3600


def api(target: Target) -> Object:
    """As many as its autoscaler wants; each process with the limits of the unit, asked as the edge asks."""
    settings = target.estate.app
    port = settings.app_port
    drain = max(settings.api_drain_seconds, NOTICE_SECONDS)
    pod = Pod(
        target,
        API,
        units.read(application.api_unit(target.estate, target.pod), target.estate),
        environment.application(target),
        own={"API_PORT": str(port)},
        cpu_m=PROCESS_CPU_M * settings.api_workers,
        certificate=True,
        drain_seconds=drain,
        checks={
            "ports": [{"name": "https", "containerPort": port}],
            # Nothing is looked up: a database that is away is no reason to start again.
            "startupProbe": _asked(settings.app_live_path, 2, -(-settings.api_ready_seconds // 2)),
            "livenessProbe": _asked(settings.app_live_path, 10, 3),
            "readinessProbe": _asked(settings.app_ready_path, 3, 3),
            # It serves on while proxies learn that it is going, and old connections may end.
            "lifecycle": {"preStop": {"sleep": {"seconds": drain}}},
        },
    )
    # Without `replicas`, which is the autoscaler's.
    return deployment(pod, {"progressDeadlineSeconds": max(600, 2 * settings.api_ready_seconds)})


def worker(target: Target, name: str) -> Object:
    """One worker of a host, on as many pods as there are hosts."""
    concurrency = target.estate.celery.celery_workers[name].concurrency
    liveness = f"{PYTHON} -m xteam_runtime.liveness {consumes(target.estate.celery, name)[0]}"
    pod = Pod(
        target,
        f"worker-{name}",
        units.read(application.worker_unit(), target.estate, name),
        environment.application(target),
        own=environment.worker(target, name),
        cpu_m=PROCESS_CPU_M * concurrency,
        first=(schema(target),),
        checks={
            # The health that a deploy waits for on hosts: it has run a task that was sent to it alone.
            "startupProbe": _run(liveness, LOOK_SECONDS, period=10, failures=STARTUP_SECONDS // 10),
            # Ends with 1 for a worker that takes no tasks; with anything else nothing is known.
            "livenessProbe": _run(
                f"timeout {LOOK_SECONDS} {liveness}; [ $? -ne 1 ]",
                LOOK_SECONDS + 10,
                period=target.estate.celery.celery_liveness_seconds,
                failures=1,
            ),
        },
    )
    return deployment(pod, {"replicas": target.replicas("worker")})


def beat(target: Target) -> Object:
    """One leads, by a lock in Redis; the others wait for it to be free."""
    unit = units.read(application.beat_unit(), target.estate)
    pod = Pod(target, "beat", unit, environment.application(target), first=(schema(target),))
    return deployment(pod, {"replicas": target.replicas("worker")})


def schema(target: Target) -> Object:
    """No task runs before the database has the release's schema (4: a newer one). It is tried again until then."""
    check = f"{PYTHON} -m {target.estate.app.app_migrate_module} check"
    return {"name": "schema", "command": ["/bin/sh", "-c", f"{check} || [ $? -eq 4 ]"]}


def migration(target: Target) -> Object:
    """Any number may run at once: one has the lock, the others find nothing to do."""
    run = f"{PYTHON} -m {target.estate.app.app_migrate_module}"
    steps = f"{run} check || [ $? -eq 4 ] || {{ {run} verify && {run} upgrade; }}"
    unit = units.of_command(application.migrate_command())
    variables = environment.migration(target)
    secret = environment.Variables({}, variables.secret)
    pod = Pod(target, "migrate", unit, secret, own=variables.plain, command=["/bin/sh", "-c", steps])
    template = pod.template(restartPolicy="Never")
    # A Job can't be changed: another image or another environment is another one.
    name = named("migrate", {"image": target.options.image, "template": str(template)})
    spec = {"backoffLimit": 3, "activeDeadlineSeconds": MIGRATION_SECONDS, "template": template}
    return _object("batch/v1", "Job", name, "migrate", spec)


def cleanup(target: Target) -> Object:
    """At the time of the hosts' timer."""
    unit = units.read(application.cleanup_unit(), target.estate)
    pod = Pod(target, "cleanup", unit, environment.application(target))
    spec = {
        "schedule": cron(target.estate.app.workspace_cleanup_schedule),
        "timeZone": "Etc/UTC",
        "concurrencyPolicy": "Forbid",
        "startingDeadlineSeconds": 3600,
        "jobTemplate": {
            "spec": {
                "backoffLimit": 2,
                "activeDeadlineSeconds": 3600,
                "template": pod.template(restartPolicy="Never"),
            }
        },
    }
    return _object("batch/v1", "CronJob", "cleanup", "cleanup", spec)


def deployment(pod: Pod, more: Object) -> Object:
    """Rolled without a gap: a new pod is ready before an old one is told to go. No two on a node or in a zone that
    could be apart."""
    selected = selector(pod.component)
    spread = [
        {
            "maxSkew": 1,
            "topologyKey": f"{place}",
            "whenUnsatisfiable": "ScheduleAnyway",
            "labelSelector": {"matchLabels": selected},
            "matchLabelKeys": ["pod-template-hash"],
        }
        for place in ("kubernetes.io/hostname", "topology.kubernetes.io/zone")
    ]
    spec = {
        **more,
        "revisionHistoryLimit": pod.target.estate.app.app_keep_releases,
        "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1}},
        "selector": {"matchLabels": selected},
        "template": pod.template(topologySpreadConstraints=spread),
    }
    return _object("apps/v1", "Deployment", pod.component, pod.component, spec)


def cron(calendar: str) -> str:
    """systemd's calendar in cron's words. Raises KubernetesError when it is more than a time of every day."""
    found = re.fullmatch(r"(?:\*-\*-\* )?(\d{1,2}):(\d{2})(?::\d{2})?", calendar)
    if not found:
        allowed = "a time of every day, as *-*-* 03:40:00: a CronJob knows nothing else of systemd's calendar"
        raise KubernetesError([Problem("group_data/app.py", "workspace_cleanup_schedule", calendar, allowed)])
    return f"{int(found[2])} {int(found[1])} * * *"


def _object(version: str, kind: str, name: str, component: str, spec: Object) -> Object:
    return {
        "apiVersion": version,
        "kind": kind,
        "metadata": {"name": name, "labels": labels(component)},
        "spec": spec,
    }


def _asked(path: str, period: int, failures: int) -> Object:
    # As the edge: a busy instance is not a dead one.
    asked = {"path": path, "port": "https", "scheme": "HTTPS"}
    return {"httpGet": asked, "periodSeconds": period, "timeoutSeconds": 5, "failureThreshold": failures}


def _run(command: str, seconds: int, period: int, failures: int) -> Object:
    run = {"exec": {"command": ["/bin/sh", "-c", command]}}
    return {**run, "periodSeconds": period, "timeoutSeconds": seconds, "failureThreshold": failures}

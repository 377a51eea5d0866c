"""PostgreSQL 17 under Patroni: one cluster over all hosts of the group `postgres`, one of which leads."""

from pyinfra import host

from xteam_infra.engine.absent import first_here
from xteam_infra.engine.facts.shell_condition import ShellCondition
from xteam_infra.engine.host_packages import MODULES, package_files, shell_command, shell_settings
from xteam_infra.engine.operations import HostFile, barrier, ensure, service, write
from xteam_infra.engine.operations.services import disable_removed
from xteam_infra.engine.runtime import here, open_estate
from xteam_infra.layers.etcd.facts import USER as ETCD_USER
from xteam_infra.layers.etcd.needs import CLIENT_PORT
from xteam_infra.layers.postgres import heartbeat
from xteam_infra.layers.postgres.facts import CURL, HERE
from xteam_infra.layers.postgres.member import tuned_file
from xteam_infra.layers.postgres.needs import (
    CREATECLUSTER,
    CREATECLUSTER_TEXT,
    DATA,
    ETCD_CLIENT,
    HEARTBEAT_MB,
    HEARTBEAT_UNIT,
    PATRONI,
    PORT,
    REPLICATOR,
    REPORT_TIMER,
    REPORT_UNIT,
    REPORTS,
    REST_PORT,
    REWIND,
    UNIT,
    WATCHDOG,
    patroni_client_certificate,
    report_host,
    server_certificate,
)
from xteam_infra.layers.postgres.operations import (
    dynamic_configuration,
    pending_restarts,
    require_leader_in_inventory,
    rights,
)
from xteam_infra.layers.postgres.patroni import dynamic
from xteam_infra.layers.postgres.report import report_files, timer, unit
from xteam_infra.layers.postgres.rights import goals
from xteam_infra.layers.postgres.tuning import Hardware, of_host
from xteam_infra.layers.router import files as router
from xteam_infra.layers.router.needs import ROUTER_UNIT
from xteam_infra.plan import CA_PATH, trust_path
from xteam_infra.plan.needs import METRICS_DIRECTORY, PATRONI_CLIENTS

estate = open_estate()
settings = estate.postgres
members = estate.members("postgres")
certificate = server_certificate(estate, here())
patroni_client = patroni_client_certificate(here())
require_leader_in_inventory(estate)
watchdog = {"watchdog": host.get_fact(ShellCondition, check=f"test -c {WATCHDOG}"), "watchdog_device": WATCHDOG}

context = {
    "machine": here(),
    "etcd_members": estate.members("etcd"),
    "etcd_port": CLIENT_PORT,
    "etcd_user": ETCD_USER,
    "etcd_client": ETCD_CLIENT,
    "client": patroni_client,
    "certificate": certificate,
    "replicator": REPLICATOR,
    "rewind": REWIND,
    "createcluster": CREATECLUSTER,
    "dynamic": dynamic(estate),
    "port": PORT,
    "rest_port": REST_PORT,
    **watchdog,
}


def patroni(hardware: Hardware) -> HostFile:
    """Patroni's file on this host; its own parameters follow from what the host has."""
    return HostFile(
        PATRONI,
        "postgres/patroni.yml.j2",
        {**context, "tuned": of_host(settings, hardware)},
        owner="postgres",
        group="postgres",
        mode="600",
        validate=f"/usr/bin/python3 -I {MODULES}/xteam_patroni/validate.py {{}}",
    )


beating = {
    "CA": CA_PATH,
    "CLIENT_CERTIFICATE": patroni_client.crt,
    "CLIENT_KEY": patroni_client.key,
    "DATABASE": heartbeat.DATABASE,
    # Empty: etcd is led from other hosts anyway.
    "ETCD_PORT": CLIENT_PORT if "etcd" in here().groups else "",
    "METRICS": f"{METRICS_DIRECTORY}/xteam-heartbeat.prom",
    "REST_PORT": REST_PORT,
    "SECONDS_BETWEEN": heartbeat.SECONDS,
}
beat = [shell_command("xteam-heartbeat"), shell_settings("postgres", beating)]
beat_unit = HostFile(
    f"/etc/systemd/system/{HEARTBEAT_UNIT}",
    "postgres/xteam-heartbeat.service.j2",
    {"memory_mb": HEARTBEAT_MB},
)

# A Patroni of earlier versions asked for no certificate and refused those it did not know: it learns who signs them,
# then routers that serve already show theirs, then every Patroni asks for one. No check fails meanwhile.
if "postgres" in here().groups:
    known = trust_path(PATRONI_CLIENTS)
    # It reads its files again a while after it was told to.
    loop = f"until {CURL} -f {HERE}/primary || {CURL} -f {HERE}/replica; do sleep 0.5; done"
    trust = f"sed -i '/^restapi:/,/^ctl:/s#^  cafile: .*#  cafile: {known}#' {PATRONI}"
    ensure(
        f"{trust} && systemctl reload {UNIT} && timeout 60 sh -c '{loop}' >/dev/null",
        f"! grep -qs 'verify_client: optional' {PATRONI} || grep -q '^  cafile: {known}$' {PATRONI}",
        name="Set the CA of Patroni's clients in Patroni's running configuration",
    )
barrier(name="postgres: every Patroni knows the CA of its clients")
if {"app", "worker"} & set(here().groups) and bool(
    host.get_fact(ShellCondition, check=f"systemctl is-active -q {ROUTER_UNIT}")
):
    routing = [router.config(estate), router.unit(estate)]
    write(routing, name="Write the running router's files (client certificate for Patroni)")
    service(
        ROUTER_UNIT,
        router.inputs(estate, here()),
        action="reload",
        name="Reload the running router (client certificate for Patroni)",
    )
barrier(name="postgres: running routers show their certificate")

if "postgres" in here().groups:
    write(
        [
            HostFile(CREATECLUSTER, text=CREATECLUSTER_TEXT),
            HostFile(f"/etc/systemd/system/{UNIT}.d/10-xteam.conf", "postgres/10-xteam.conf.j2", watchdog),
            shell_command("xteam-patronictl"),
            *package_files("xteam_patroni", MODULES),
        ],
        name="Write Patroni's files",
    )
    tuned_file(DATA, patroni, name="Write Patroni's configuration, tuned for this host")
    # The first member to come makes the cluster, the others copy it. A reload reaches PostgreSQL too, and
    # Patroni itself reads its files again, certificates among them: nobody is disconnected.
    service(
        UNIT,
        [PATRONI, certificate.crt, REPLICATOR.crt, REWIND.crt, ETCD_CLIENT.crt, patroni_client.crt],
        action="reload",
        health=f"{CURL} -f {HERE}/primary || {CURL} -f {HERE}/replica",
        health_seconds=settings.postgres_join_seconds,
        name="Run PostgreSQL under Patroni",
    )
barrier(name="postgres: every member runs")

if here() == first_here(members):
    dynamic_configuration(
        dynamic(estate),
        settings.timing.loop_wait * 4,
        name="Set PostgreSQL's shared parameters and access rules (Patroni's dynamic configuration)",
    )
    pending_restarts(settings.postgres_restart_when_needed, name="Restart PostgreSQL members whose parameters need it")
barrier(name="postgres: the cluster runs with its parameters")

if "postgres" in here().groups:
    rights(
        [*goals(settings), heartbeat.goal()],
        settings.passwords,
        name="Make roles, database and rights on PostgreSQL's leader",
    )
barrier(name="postgres: roles, database and rights are set")

if "postgres" in here().groups:
    write([*beat, beat_unit], name="Write the files of PostgreSQL's heartbeat row")
    service(HEARTBEAT_UNIT, [*beat, beat_unit], name="Run the writer of PostgreSQL's heartbeat row")
else:
    disable_removed([HEARTBEAT_UNIT, UNIT], name="Disable PostgreSQL on a host that is not in group postgres")
barrier(name="postgres: the heartbeat runs")

if here() == report_host(estate):
    write([*report_files(estate), timer(estate)], name="Write the files of PostgreSQL's monthly report")
    service(REPORT_TIMER, [timer(estate), unit()], name="Run the timer of PostgreSQL's monthly report")
    ensure(
        f"systemctl start {REPORT_UNIT}", f"test -s {REPORTS}/latest.html", name="Make the first report on PostgreSQL"
    )
barrier(name="postgres: applied")

"""The application: its release on every host that runs its code, one migration, then the API, host by host.

On a host the new instance serves before the old one is stopped (xteam-switch): no request is lost.
docs/operations/app.md
"""

from xteam_infra.engine.absent import first_here
from xteam_infra.engine.commands import loop
from xteam_infra.engine.common_files import timer_file
from xteam_infra.engine.host_packages import module_command, package_files
from xteam_infra.engine.operations import HostDirectory, HostFile, barrier, directories, ensure, service, write
from xteam_infra.engine.runtime import here, open_estate
from xteam_infra.layers.app import files as application
from xteam_infra.layers.app import needs as paths
from xteam_infra.layers.app.deploy_lock import caught_up, require_no_deployment
from xteam_infra.layers.app.operations import current, release, switch_api
from xteam_infra.release import Release

estate = open_estate()
settings = estate.app
api_hosts = estate.members("app")
code_hosts = tuple(m for m in estate.machines if {"app", "worker"} & set(m.groups))
wanted: Release | None = None

if code_hosts:
    application.require_backends(estate)
    wanted = application.release(estate)

certificate = paths.certificate(estate, here())
context = {"machine": here(), "paths": paths, "ports": paths.ports(settings)}
api_unit = application.api_unit(estate, here())
cleanup_timer = timer_file(
    paths.CLEANUP_TIMER, "When old XTeam workspaces are removed", settings.workspace_cleanup_schedule
)
process_files = application.process_files(estate, here(), wanted.id if wanted else "")

if here() in code_hosts:
    require_no_deployment(estate, name="Require that no release is under way")
barrier(name="app: no release is under way")

if wanted and here() in code_hosts:
    directories(
        [
            HostDirectory("/etc/xteam"),
            HostDirectory("/srv/xteam"),
            HostDirectory(paths.UPLOADS, owner=paths.ACCOUNT, group=paths.ACCOUNT, mode="750"),
            HostDirectory(paths.WORKSPACES, owner=paths.ACCOUNT, group=paths.ACCOUNT, mode="750"),
        ],
        name="Make the application's directories",
    )
    release(wanted, name="Upload and unpack the application's release")
    write(
        [
            *process_files,
            *application.commands(estate),
            HostFile(paths.SWITCH_SETTINGS, "app/switch.json.j2", context),
            module_command("xteam-switch", "xteam_switch"),
            *package_files("xteam_switch"),
            cleanup_timer,
            application.cleanup_unit(),
        ],
        name="Write the application's files",
    )
if here() in api_hosts:
    write(
        [
            api_unit,
            application.migrator_environment(),
            application.migrate_command(),
            application.operate_command(),
        ],
        name="Write the API's files",
    )
barrier(name="app: the release is on every host")

# Once, before any new code serves. Others that start it wait for its lock, and find nothing to do.
if wanted and here() == first_here(api_hosts):
    ensure(
        f"xteam-migrate verify {wanted.id} && xteam-migrate upgrade {wanted.id}",
        # 4: the release after it has migrated, before a rollback; this one goes on working.
        f"xteam-migrate check {wanted.id} || [ $? -eq 4 ]",
        name="Migrate the database to the release's schema",
    )
barrier(name="app: the database has the release's schema")

for peer in loop(api_hosts):
    if wanted and peer == here():
        switch_api(wanted, [api_unit, *process_files, certificate.crt], name=f"Run the API on {peer.name}")
        current(wanted, settings.app_keep_releases, name=f"Point /opt/xteam/current to the release on {peer.name}")
    barrier(name=f"app: the API of {peer.name} serves the release")

if wanted and here() in code_hosts:
    if here() not in api_hosts:
        current(
            wanted, settings.app_keep_releases, name="Point /opt/xteam/current to the release on a host without API"
        )
    caught_up(estate, name="Clear this host's missed releases in the release record")
    service(paths.CLEANUP_TIMER, [cleanup_timer], name="Schedule the removal of old workspaces")
barrier(name="app: applied")

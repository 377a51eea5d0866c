"""What the app layer needs of a host, and where the application is on it."""

from xteam_infra.pki.leaf import Subject
from xteam_infra.plan.needs import Account, Certificate, Listen, Needs

ACCOUNT = "xteam"
ROOT = "/opt/xteam"
RELEASES = f"{ROOT}/releases"
# A symbolic link to the release in use.
CURRENT = f"{ROOT}/current"
# Python modules of the provisioner that run inside the application's processes.
OPERATOR = f"{ROOT}/operator"
ENVIRONMENT = "/etc/xteam/app.env"
MIGRATOR_ENVIRONMENT = "/etc/xteam/migrate.env"
UPLOADS = "/srv/xteam/uploads"
WORKSPACES = "/srv/xteam/workspaces"

API_UNIT = "xteam-api.service"
CLEANUP_TIMER = "xteam-cleanup.timer"


def needs(estate, machine) -> Needs:
    """The application's account on every host that runs its code; the API where the group says so."""
    if not {"app", "worker"} & set(machine.groups):
        return Needs()
    serves = "app" in machine.groups
    settings = estate.app
    return Needs(
        packages=("python3", "tzdata"),
        accounts=(Account(ACCOUNT),),
        listens=(Listen(settings.app_port, "API", ("edge",)),) if serves else (),
        certificates=(certificate(estate, machine),) if serves else (),
        memory_mb={"api": settings.api_memory_mb} if serves else {},
        units=(API_UNIT, CLEANUP_TIMER) if serves else (CLEANUP_TIMER,),
    )


def certificate(estate, machine) -> Certificate:
    """What the API shows to the edge, which may verify it by the host's names or as app.<internal domain>."""
    dns = (estate.fqdn("app"), machine.name, estate.fqdn(machine.name), "localhost")
    return Certificate("api", Subject(machine.name, dns, (machine.address, "127.0.0.1")), owner=ACCOUNT)

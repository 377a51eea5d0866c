"""What the app layer needs of a host, and where the application is on it."""

from xteam_infra.estate import Estate
from xteam_infra.layers.edge.needs import HTTPS_PORT
from xteam_infra.machine import Machine
from xteam_infra.pki.leaf import Subject
from xteam_infra.plan.needs import (
    Account,
    Certificate,
    HostRequirements,
    Leave,
    ListenPort,
    Reach,
    as_networks,
    reach_of,
)
from xteam_infra.settings.app import AppSettings

ACCOUNT = "xteam"
ROOT = "/opt/xteam"
RELEASES = f"{ROOT}/releases"
# A symbolic link to the release in use.
CURRENT = f"{ROOT}/current"
# Python modules of the provisioner that run inside the application's processes.
RUNTIME = f"{ROOT}/runtime"
ENVIRONMENT = "/etc/xteam/app.env"
MIGRATOR_ENVIRONMENT = "/etc/xteam/migrate.env"
UPLOADS = "/srv/xteam/uploads"
WORKSPACES = "/srv/xteam/workspaces"

# Two instances of the API on a host, of which one serves; a switch starts the other one beside it.
COLOURS = ("blue", "green")
API_TEMPLATE = "xteam-api@.service"
# Whichever of them runs, for commands of systemd that take patterns.
API_UNIT = "xteam-api@*.service"
# What an instance tells about itself, in memory: metrics, and the edges whose question it answered.
API_STATE = "/run/xteam-api-%i"
# A file here named after a colour keeps requests of the edges away from it.
DRAINED = "/run/xteam-switch"
SWITCH_SETTINGS = "/etc/xteam/switch.json"
# What xteam-switch has put in use last: unit, release, and which part of its log it has judged.
SWITCHED = "/var/lib/xteam/switched.json"
CLEANUP_TIMER = "xteam-cleanup.timer"
# Programs of earlier versions, and their files, by names that nothing has any more.
FORMER_PATHS = (
    "/usr/local/sbin/xteam-roll",
    "/etc/xteam/roll.json",
    "/var/lib/xteam/rolled.json",
    "/run/xteam-roll",
    f"{ROOT}/operator",
)


def needs(estate: Estate, machine: Machine) -> HostRequirements:
    """The application's account on every host that runs its code; the API where the group says so."""
    if not {"app", "worker"} & set(machine.groups):
        return HostRequirements()
    serves = "app" in machine.groups
    settings = estate.app
    return HostRequirements(
        packages=("python3", "tzdata"),
        accounts=(Account(ACCOUNT),),
        listens=tuple(
            # The edges say how many of the world's requests an instance gets.
            ListenPort(port, f"API, {colour}", ("edge",), tls="tls", most=0)
            for colour, port in ports(settings).items()
            if serves
        ),
        reaches=(*upstreams(settings), *_edges(estate, machine)),
        certificates=(certificate(estate, machine),) if serves else (),
        # While a release is rolled out both instances run.
        memory_mb={f"api-{colour}": settings.api_memory_mb for colour in COLOURS if serves},
        units=(API_UNIT, CLEANUP_TIMER) if serves else (CLEANUP_TIMER,),
        # Nobody else serves while the only one does not.
        leaves={"API": Leave("xteam-switch leave", "xteam-switch stay")} if len(_serving(estate, machine)) > 1 else {},
    )


def _serving(estate: Estate, machine: Machine) -> tuple[Machine, ...]:
    """All hosts of the API, if this is one."""
    return estate.members("app") if "app" in machine.groups else ()


def upstreams(settings: AppSettings) -> list[Reach]:
    """What the application calls, but for the error tracker, whose address is in a secret."""
    urls = (*((settings.UPSTREAM_URL,) if settings.UPSTREAM_URL else ()), *settings.app_upstreams)
    return [reach_of("upstream of the application", url, (ACCOUNT,)) for url in urls]


def _edges(estate: Estate, machine: Machine) -> list[Reach]:
    """What the smoke test goes through; it runs as the application, on its hosts."""
    addresses = [edge.address for edge in estate.members("edge") if edge.name != machine.name]
    networks = tuple(network for address in addresses for network in as_networks(address))
    return [Reach("edges, in the smoke test", (HTTPS_PORT,), (ACCOUNT,), networks)] if networks else []


def tracker(dsn: str) -> Reach:
    """What the application tells its errors to."""
    return reach_of("error tracker", dsn, (ACCOUNT,))


def ports(settings: AppSettings) -> dict[str, int]:
    """The TLS port of each colour's instance."""
    return {colour: settings.app_port + number for number, colour in enumerate(COLOURS)}


def certificate(estate: Estate, machine: Machine) -> Certificate:
    """What the API shows to the edge, which may verify it by the host's names or as app.<internal domain>."""
    dns = (estate.fqdn("app"), machine.name, estate.fqdn(machine.name), "localhost")
    return Certificate("api", Subject(machine.name, dns, (machine.address, "127.0.0.1")), owner=ACCOUNT)

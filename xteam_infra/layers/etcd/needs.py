"""What the etcd layer needs of a host."""

from xteam_infra.estate import Estate
from xteam_infra.machine import Machine
from xteam_infra.pki.leaf import Subject
from xteam_infra.plan.needs import Certificate, HostRequirements, ListenPort

CLIENT_PORT = 2379
PEER_PORT = 2380
METRICS_PORT = 2381
UNIT = "etcd.service"

# etcd takes a client whose certificate says CN=root for its user root: only root on a member may read this key.
ROOT = Certificate("etcd-root", Subject("root", purpose="client"))
# The name, below the internal domain, that a certificate must have to be let in as a member.
PEER_NAME = "etcd-peer"


def needs(estate: Estate, machine: Machine) -> HostRequirements:
    """A member of the cluster, reachable by the other members and by Patroni."""
    if "etcd" not in machine.groups:
        return HostRequirements()
    return HostRequirements(
        packages=("etcd-server", "etcd-client"),
        listens=(
            # Clients are users: root by its certificate, Patroni by its password.
            ListenPort(
                CLIENT_PORT,
                "etcd clients",
                ("etcd", "postgres"),
                tls="tls",
                accounts=("etcd", "postgres", "root"),
                most=128,
            ),
            ListenPort(PEER_PORT, "etcd members", ("etcd",), tls="tls", clients=("etcd",), accounts=("etcd",), most=64),
            ListenPort(METRICS_PORT, "etcd metrics", ("local",)),
        ),
        certificates=(member_certificate(estate, machine), ROOT),
        memory_mb={"etcd": estate.etcd.etcd_memory_mb},
        units=(UNIT,),
        whole={"etcd": "xteam-etcdctl endpoint health"},
    )


def member_certificate(estate: Estate, machine: Machine) -> Certificate:
    """The certificate a member shows to clients and to the other members, as server and as client.

    It is a client of its own, too: the gateway that speaks HTTP to clients calls the member behind it.
    """
    own = (machine.name, estate.fqdn(machine.name), "localhost")
    names = (*own, estate.fqdn(PEER_NAME))
    return Certificate("etcd", Subject(machine.name, names, (machine.address, "127.0.0.1"), "both"), owner="etcd")

"""etcd: the small store in which Patroni keeps who leads. Members are changed one at a time, with Patroni paused."""

from xteam_infra.engine.absent import first_here
from xteam_infra.engine.commands import loop
from xteam_infra.engine.host_packages import shell_command, shell_settings
from xteam_infra.engine.operations import HostFile, barrier, write
from xteam_infra.engine.runtime import here, open_estate
from xteam_infra.layers.etcd.needs import CLIENT_PORT, METRICS_PORT, PEER_NAME, PEER_PORT, ROOT, member_certificate
from xteam_infra.layers.etcd.operations import (
    access,
    cluster_started,
    forgotten,
    member,
    others_removed,
    patroni_paused,
    patroni_resumed,
)
from xteam_infra.plan import CA_PATH

estate = open_estate()
members = estate.members("etcd")
postgres = estate.members("postgres")
certificate = member_certificate(estate, here())

values = {
    "machine": here(),
    "members": members,
    "certificate": certificate,
    "root": ROOT,
    "peer_name": estate.fqdn(PEER_NAME),
    "client_port": CLIENT_PORT,
    "peer_port": PEER_PORT,
    "metrics_port": METRICS_PORT,
}
command_settings = {
    "CA": CA_PATH,
    "ENDPOINTS": ",".join(f"https://{member.address}:{CLIENT_PORT}" for member in members),
    "ROOT_CERTIFICATE": ROOT.crt,
    "ROOT_KEY": ROOT.key,
}
environment = HostFile("/etc/default/etcd", "etcd/etcd.env.j2", values)
inputs: list[HostFile | str] = [environment, certificate.crt]

if "etcd" in here().groups:
    write(
        [
            environment,
            HostFile("/etc/systemd/system/etcd.service.d/10-xteam.conf", "etcd/10-xteam.conf.j2"),
            shell_settings("etcd", command_settings),
            shell_command("xteam-etcdctl"),
        ],
        name="Write etcd's files",
    )
barrier(name="etcd's files are on every member")

if "etcd" in here().groups:
    # Members of a new cluster wait for each other, so they start together; from then on it is one at a time.
    cluster_started(members, inputs, name="Start a new etcd cluster")
barrier(name="etcd's cluster exists")

if here() == first_here(postgres):
    patroni_paused(members, ["/etc/default/etcd", certificate.crt], name="Pause Patroni while etcd members restart")
barrier(name="Patroni does not depend on etcd for a moment")

for peer in loop(members):
    if peer == here():
        member(members, inputs, name=f"Run etcd member {peer.name} with its present files")
    barrier(name=f"etcd member {peer.name} is healthy")

if here() == first_here(members):
    others_removed(members, name="Take etcd members out that the inventory no longer has")
barrier(name="etcd has the members of the inventory")
if "etcd" not in here().groups:
    forgotten(members, estate.etcd.etcd_data_dir, name="Stop an etcd member that the inventory no longer has")
barrier(name="no other etcd runs")

if "postgres" in here().groups:
    # On whichever host an earlier run, of another inventory perhaps, has left the mark.
    patroni_resumed(name="Let Patroni manage the cluster again")
if here() == first_here(members):
    access(estate.etcd.etcd_patroni_password, name="Let root and Patroni alone into etcd")
barrier(name="etcd is laid")

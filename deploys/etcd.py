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
    disable_removed_member,
    member,
    patroni_paused,
    patroni_resumed,
    remove_stale_members,
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
barrier(name="etcd: files are on every member")

if "etcd" in here().groups:
    # Members of a new cluster wait for each other, so they start together; from then on it is one at a time.
    cluster_started(members, inputs, name="Start a new etcd cluster")
barrier(name="etcd: the cluster exists")

if here() == first_here(postgres):
    patroni_paused(members, ["/etc/default/etcd", certificate.crt], name="Pause Patroni while etcd members restart")
barrier(name="etcd: Patroni is paused if a member restarts")

for peer in loop(members):
    if peer == here():
        member(members, inputs, name=f"Run etcd member {peer.name} with its present files")
    barrier(name=f"etcd: member {peer.name} is healthy")

if here() == first_here(members):
    remove_stale_members(members, name="Remove stale members from the etcd cluster (not in the inventory)")
barrier(name="etcd: stale members are removed")
if "etcd" not in here().groups:
    disable_removed_member(members, estate.etcd.etcd_data_dir, name="Disable etcd on a host that is not in group etcd")
barrier(name="etcd: it runs on its members alone")

if "postgres" in here().groups:
    # On whichever host an earlier run, of another inventory perhaps, has left the mark.
    patroni_resumed(name="Resume Patroni if a deploy paused it")
if here() == first_here(members):
    access(estate.etcd.etcd_patroni_password, name="Set etcd's authentication, users and roles")
barrier(name="etcd: applied")

"""A reboot gives the same estate: each host alone, all together, and one that cloud-init writes on at every boot.

Seconds from power to serving are kept as figures and not asserted.
"""

import time

import pytest

from checklist.shell import CheckError
from tests.drills.harness.cluster import Cluster
from tests.drills.harness.whole_host import differences, record

PATIENCE = 300
OWN_LINE = "192.0.2.77 reboot-drill-own-name"
# An image's own settings, or a provider's user data, which wins over every file: cloud-init writes /etc/hosts anew.
MANAGES = "manage_etc_hosts: true"


@pytest.fixture
def serves(hosts, http, estate):
    """Assert that users are served: the first edge answers that the API is ready; without edges or API, nothing."""
    edges = hosts.group("edge") if estate.members("edge") and estate.members("app") else []

    def ask():
        for edge in edges:
            try:
                answer = http(edge.address, estate.app.app_ready_path, name=estate.all.domain, verify=False)
            except (OSError, CheckError) as error:
                raise AssertionError(f"{edge.name} does not answer: {error}") from None
            assert answer.status in (200, 404), f"{edge.name} answers {answer.status}"
        for one in hosts.group("postgres") if estate.members("postgres") else []:
            assert Cluster(hosts, estate).states().get(one.name, {}).get("state") == "running", (
                f"PostgreSQL, {one.name}"
            )
        return True

    return ask


def settled(host, estate, before):
    """Assert that a host is what it was before."""
    try:
        found = differences(before, record(host, estate))
    except CheckError as error:
        raise AssertionError(str(error)) from None
    assert not found, f"{host.name} after its boot: {'; '.join(found)}"
    return True


def whole(host):
    """Assert that the host says that all it belongs to is well."""
    said = host.run("xteam-updates whole")
    assert said.rc == 0, f"{host.name}: {said.stdout}"
    return True


@pytest.mark.item("POST-01", kind="drill")
def test_rebooted_host_passes_every_check(hosts, estate, faults, figures, eventually, serves):
    eventually(serves, seconds=PATIENCE, interval=1)
    for host in list(hosts):
        before = record(host, estate)
        assert not before["failed units"], f"{host.name} before: failed: {before['failed units']}"
        faults.kill(host.name)
        since = time.time()
        faults.start(host.name)
        eventually(serves, seconds=PATIENCE, interval=0.5)
        figures[f"{host.name}_seconds_to_serving"] = round(time.time() - since, 1)
        eventually(lambda one=host, was=before: settled(one, estate, was), seconds=PATIENCE, interval=2)
        figures[f"{host.name}_differences"] = 0


@pytest.mark.item("POST-01", kind="drill")
def test_rebooted_estate_passes_every_check(hosts, estate, faults, figures, eventually, serves):
    eventually(serves, seconds=PATIENCE, interval=1)
    before = {host.name: record(host, estate) for host in hosts}
    names = list(before)
    faults.kill(*names)
    since = time.time()
    faults.start(*names)
    eventually(serves, seconds=PATIENCE, interval=0.5)
    figures["seconds_to_serving"] = round(time.time() - since, 1)
    for host in hosts:
        eventually(lambda one=host: settled(one, estate, before[one.name]), seconds=PATIENCE, interval=2)
    figures["differences"] = 0


@pytest.fixture
def cloud(hosts, faults):
    """A database host as a cloud image has it: with cloud-init, which finds its data on the host. Purged afterwards."""
    host = hosts.group("postgres")[0]
    assert faults.lab
    seed, settings = "/var/lib/cloud/seed/nocloud", "/etc/cloud/cloud.cfg.d"
    own = "ssh_deletekeys: false\npreserve_hostname: true\ndisable_root: false\nusers: []"
    host.check_output(
        f"mkdir -p {seed} {settings}; echo 'instance-id: drill' > {seed}/meta-data; "
        f"printf '#cloud-config\\n{own}\\n' > {seed}/user-data; "
        f"printf 'datasource_list: [NoCloud]\\nnetwork: {{config: disabled}}\\n' > {settings}/90-image.cfg; "
        f"echo '{MANAGES}' >> {settings}/90-image.cfg; "
        "export DEBIAN_FRONTEND=noninteractive; apt-get -qy update >/dev/null && apt-get -qy "
        "-o Dpkg::Options::=--force-confold install --no-install-recommends cloud-init >/dev/null 2>&1"
    )
    host.check_output(f"echo '{OWN_LINE}' >> /etc/hosts")
    yield host
    host.check_output(
        "systemctl stop 'cloud-*'; export DEBIAN_FRONTEND=noninteractive; "
        "apt-get -qy --autoremove purge cloud-init >/dev/null 2>&1; "
        f"rm -rf /etc/cloud /var/lib/cloud; sed -i '/{OWN_LINE}/d' /etc/hosts"
    )


@pytest.mark.group("postgres", first=True)
def test_boot_with_cloud_init_keeps_etc_hosts(cloud, hosts, estate, faults, deploys, eventually, serves):
    """By an image's setting, over which our drop-in wins, and by user data, over which nothing does."""
    deploys.good("base")
    for by_user_data in (False, True):
        if by_user_data:
            cloud.check_output(
                f"echo '{MANAGES}' >> /var/lib/cloud/seed/nocloud/user-data; rm -rf /var/lib/cloud/instance*"
            )
        faults.kill(cloud.name)
        faults.start(cloud.name)
        eventually(lambda: "status: done" in cloud.run("cloud-init status").stdout, seconds=PATIENCE, interval=1)
        text = cloud.check_output("cat /etc/hosts")
        written = "manage_etc_hosts" in text
        assert written == by_user_data, f"cloud-init {'has' if written else 'has not'} written /etc/hosts: {text}"
        assert (OWN_LINE in text) != by_user_data, "the user's own line is lost"
        for machine in estate.machines:
            for name in (machine.name, estate.fqdn(machine.name)):
                answer = cloud.run(f"getent -s files ahostsv4 {name}").stdout.split()
                assert answer[:1] == [machine.address], f"after a boot {name} is {answer[:1]}"
        eventually(serves, seconds=PATIENCE, interval=1)


def test_database_host_boots_without_etc_hosts(hosts, estate, faults, eventually, serves):
    """It boots without any name, and without a name server: its data is opened, its journal arrives, all is whole."""
    host = hosts.group("postgres")[0]
    host.check_output(
        "systemctl disable --quiet --now xteam-hosts.path; systemctl disable --quiet xteam-hosts.service; "
        "cp -a /etc/hosts /etc/hosts.drill; printf '127.0.0.1 localhost\\n' > /etc/hosts; "
        "cp --remove-destination $(readlink -f /etc/resolv.conf) /etc/resolv.drill; "
        "rm /etc/resolv.conf; echo 'nameserver 192.0.2.1' > /etc/resolv.conf"
    )
    try:
        faults.kill(host.name)
        faults.start(host.name)
        assert host.run(f"getent hosts {estate.fqdn(host.name)}").rc != 0, "the names are there"
        eventually(
            lambda: "encrypted" in host.run("fscrypt status /srv/data/xteam").stdout, seconds=PATIENCE, interval=1
        )
        for unit in ("xteam-storage.service", "systemd-journal-upload.service"):
            eventually(lambda u=unit: host.service(u).is_running, seconds=PATIENCE, interval=1)
        eventually(lambda: whole(host), seconds=PATIENCE, interval=2)
    finally:
        host.check_output(
            "mv -f /etc/hosts.drill /etc/hosts; mv -f /etc/resolv.drill /etc/resolv.conf; "
            "systemctl enable --quiet xteam-hosts.service; "
            "systemctl enable --quiet --now xteam-hosts.path"
        )
    eventually(serves, seconds=PATIENCE, interval=1)

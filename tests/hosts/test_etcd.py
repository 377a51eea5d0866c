"""etcd: who may speak to it, and whether its members agree."""

from shlex import quote

import pytest
from postgres_client import leader

from checklist.run import not_applicable
from xteam_infra.layers.etcd.needs import CLIENT_PORT, PEER_PORT
from xteam_infra.plan.needs import CA_PATH

CA = f"--cacert={CA_PATH}"
MEMBER = "--cert=/etc/xteam/pki/etcd.crt --key=/etc/xteam/pki/etcd.key"
CTL = "timeout 10 etcdctl --dial-timeout=2s --command-timeout=5s"


@pytest.mark.group("etcd")
def test_etcd_members_agree(host, estate, eventually):
    """Every host of the group is a started member, healthy, and of the same mind about who leads."""
    listed = host.json("xteam-etcdctl member list -w json")["members"]
    names = sorted(one.get("name", "") for one in listed)
    wanted = sorted(machine.name for machine in estate.members("etcd"))
    assert names == wanted, f"the members are {names}, not {wanted}"

    def agree():
        states = [one["Status"] for one in host.json("xteam-etcdctl endpoint status -w json")]
        assert len(states) == len(wanted), f"only {len(states)} of {len(wanted)} members answer"
        assert len({one["leader"] for one in states}) == 1, "the members follow different leaders"
        assert not any(one.get("errors") for one in states), f"a member reports {[one.get('errors') for one in states]}"
        return True

    eventually(agree, seconds=20)


@pytest.mark.group("postgres", first=True)
def test_etcd_is_led_from_another_host_than_postgresql(hosts, estate, eventually):
    """When the host of both leaders is lost, the leases start anew and PostgreSQL's next leader comes later."""
    if len(estate.members("etcd")) == 1:
        not_applicable("one etcd member: it leads wherever PostgreSQL does")

    def apart():
        states = [one["Status"] for one in hosts.group("etcd")[0].json("xteam-etcdctl endpoint status -w json")]
        leading = next(one["leader"] for one in states)
        listed = hosts.group("etcd")[0].json("xteam-etcdctl member list -w json")["members"]
        etcd = next(one["name"] for one in listed if one["ID"] == leading)
        assert etcd != leader(hosts).name, f"{etcd} leads both"
        return True

    # The heartbeat's unit looks every half a minute.
    eventually(apart, seconds=90, interval=2)


@pytest.mark.item("LAW-04")
@pytest.mark.group("etcd")
def test_etcd_refuses_unknown_certificates(host):
    """Without TLS, and with TLS but without a certificate of the internal CA."""
    for port in (CLIENT_PORT, PEER_PORT):
        plain = host.run(f"curl -s -m 5 -o /dev/null -w '%{{http_code}}' http://{host.address}:{port}/version")
        assert plain.stdout in ("000", "400"), f"port {port} answers {plain.stdout} without TLS"
        bare = host.run(f"curl -s -m 5 {CA.replace('=', ' ')} https://{host.address}:{port}/version")
        assert bare.rc != 0, f"port {port} answers a client without certificate"


@pytest.mark.group("etcd")
def test_etcd_requires_authentication(host):
    """A certificate alone opens nothing: not even the members' own."""
    answer = host.run(
        f"{CTL} --endpoints=https://{host.address}:{CLIENT_PORT} {CA} {MEMBER} get /xteam/ --prefix --keys-only"
    )
    assert answer.rc != 0, "a certificate without user reads Patroni's keys"


@pytest.mark.group("etcd")
def test_patroni_etcd_user_is_limited_to_its_prefix(host, secret):
    """The password opens /xteam/ and nothing beside it."""
    command = f"{CTL} --endpoints=https://{host.address}:{CLIENT_PORT} {CA} {MEMBER}"

    def as_patroni(words):
        script = "IFS= read -r ETCDCTL_PASSWORD; export ETCDCTL_PASSWORD ETCDCTL_USER=patroni; " + f"{command} {words}"
        return host.run_with_stdin(script, secret("etcd/patroni") + "\n")

    own = as_patroni("get /xteam/ --prefix --keys-only --limit=1")
    assert own.rc == 0, f"Patroni can't read its keys: {own.stderr[:200]}"
    foreign = as_patroni(f"put {quote('/other/probe')} 1")
    assert "permission denied" in foreign.stderr, "Patroni's user may write outside its own keys"


@pytest.mark.group("etcd")
def test_etcd_quota_is_not_exhausted(host, estate):
    """At its quota etcd refuses writes, and the cluster loses its leader."""
    alarms = host.check_output("xteam-etcdctl alarm list")
    assert not alarms, f"alarms: {alarms}"
    states = host.json(
        f"XTEAM_ETCD_ENDPOINTS=https://{host.address}:{CLIENT_PORT} xteam-etcdctl endpoint status -w json"
    )
    used = states[0]["Status"]["dbSize"] / (estate.etcd.etcd_quota_mb * 1024 * 1024)
    assert used < 0.7, f"{used:.0%} of etcd_quota_mb is in use"

"""Every certificate of the estate against every TLS port of a host: let in where the plan says so, and nowhere else.

The keys of other hosts stay where they are: the checks sign certificates with the same names and purposes
for a day.
"""

import json
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from shlex import quote

import pytest

from checklist.run import not_applicable
from checklist.waiting import eventually
from xteam_infra.layers.app import needs as app
from xteam_infra.layers.backup import needs as backup
from xteam_infra.layers.edge import needs as edge
from xteam_infra.layers.etcd import needs as etcd
from xteam_infra.layers.files import needs as files
from xteam_infra.layers.files.needs import sends
from xteam_infra.layers.postgres import needs as postgres
from xteam_infra.layers.redis import needs as redis
from xteam_infra.pki import Authority, Subject
from xteam_infra.plan import INTERNAL_CA
from xteam_infra.plan.compose import plans
from xteam_infra.plan.needs import CA_PATH

PROGRAM = Path(__file__).with_name("knock.py").read_text()
RELOAD_SECONDS = 15
ROLES = ("replicator", "rewind", "pgbouncer", "postgres")
# Names of no service: a stranger's, and one that tries to be somebody by its beginning or end.
STRANGERS = ("stranger", "files-client", "root", "journal-upload.", "xfiles-client.s1")


def get(path, *good, what=""):
    """A question by HTTP; good: how an answer begins that only those get who are let in."""
    words = good or ("HTTP/1.1 2", "HTTP/1.0 2", "HTTP/1.1 404", "HTTP/1.0 404")
    return {"send": f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", "in": words, "what": what}


@dataclass(frozen=True)
class Listener:
    """One listener, at the address it listens on."""

    listen: object
    address: str

    @property
    def id(self):
        return f"{self.address}:{self.listen.port}"

    def sent(self, asks=()):
        """As the program on the host is told."""
        return {
            "id": self.id,
            "address": self.address,
            "port": self.listen.port,
            "tls": self.listen.tls,
            "asks": list(asks),
        }


@pytest.fixture
def listeners(host, estate, machine):
    """Every TLS listener of the plan where it really listens. One that does not is left to other checks."""
    declared = {one.port: one for one in plans(estate)[machine.name].listens if one.tls != "none"}
    found = {}
    for address, port, _ in sockets(host):
        if port in declared:
            here = {"*": machine.address, "0.0.0.0": machine.address, "::": "::1"}.get(address, address)  # noqa: S104
            found[here, port] = Listener(declared[port], here)
    if not found:
        not_applicable("nothing on this host speaks TLS")
    return list(found.values())


def sockets(host):
    """(address, port, process) of every TCP listener."""
    for line in host.check_output("ss --no-header --listening --tcp --numeric --processes").splitlines():
        address, port = line.split()[3].rsplit(":", 1)
        yield address.strip("[]").split("%")[0], int(port), line.split()[-1]


@pytest.fixture
def identities(estate, secret):
    """{(certificate, host): a leaf like it}, one for every certificate of the estate, and strangers'."""
    issuers = {one.issuer for plan in plans(estate).values() for one in plan.certificates}
    authorities = {one: Authority(secret(f"pki/{one}")) for one in issuers}
    found = {}
    for name, plan in plans(estate).items():
        for one in plan.certificates:
            found[one.name, name] = authorities[one.issuer].issue(one.subject, 1)
    for name in STRANGERS:
        found[f"stranger-{name}", "nowhere"] = authorities[INTERNAL_CA].issue(Subject(name, purpose="client"), 1)
    return found


def questions(listener, estate, machine):
    """How the program asks whether it is let in. None: a listener that is open to the world, or for passwords alone."""
    port = listener.listen.port
    own = estate.postgres.POSTGRES_DB
    if port == postgres.PORT:
        return [{"role": role, "database": database} for role in ROLES for database in ("postgres", own)]
    if port == postgres.REST_PORT:
        return [
            get(path, what=path) for path in ("/patroni", "/primary", "/cluster", "/config", "/history", "/metrics")
        ]
    if port == files.PROXY_PORT:
        senders = [one.name for one in estate.machines if sends(estate, one)]
        return [get(f"/{name}/config", "HTTP/1.1 200", what=name) for name in senders]
    if port == etcd.CLIENT_PORT:
        body = '{"key": "AA==", "range_end": "AA==", "keys_only": true}'
        head = f"POST /v3/kv/range HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: {len(body)}"
        return [{"send": f"{head}\r\n\r\n{body}", "in": ["HTTP/1.1 200"]}]
    if port == etcd.PEER_PORT:
        return [get("/version")]
    if port == redis.EXPORTER_PORT:
        return [get("/metrics")]
    if port == estate.logs.logs_port:
        return [get("/nothing", "HTTP/1.1")]
    if port == edge.PEERS_PORT:
        return [{"send": f"HAProxyS 2.1\n{machine.name}\nknock 1 1\n", "in": ["2", "5"]}]
    if port in app.ports(estate.app).values():
        return [get("/me", "HTTP/1.1 200")]
    if port in redis_ports(estate):
        return [{"send": "PING\r\n", "in": ["+PONG"]}, {"send": "INFO\r\n", "in": ["$"]}]
    return None


def redis_ports(estate):
    instances = [one.port for one in estate.redis.redis_instances.values()]
    return {*instances, *(port + 10_000 for port in instances), estate.redis.redis_sentinel_port}


def test_certificates_open_only_planned_ports(host, estate, machine, listeners, identities, record_property):
    """Refused by TLS or by authorisation; and who is meant to come in comes in."""
    asked = {listener.id: questions(listener, estate, machine) for listener in listeners}
    tried = [listener.sent(asked[listener.id]) for listener in listeners if asked[listener.id]]
    names = {f"{name}@{where}": (name, where) for name, where in identities}
    pems = [{"id": one, "pem": pem(identities[names[one]])} for one in names]
    listens = {listener.id: listener.listen for listener in listeners}
    summary = f"{len(identities)} certificates x {len(tried)} ports"

    def as_planned():
        answers = knock(host, {"certificates": pems, "listeners": tried})
        wrong = []
        for pair, answer in answers.items():
            listener, _, one = pair.partition(" ")
            assert not answer.startswith("check error"), f"{pair}: {answer}"
            meant = one != "" and listens[listener].lets_in(*names[one])
            came_in = answer.startswith("in")
            if came_in and not meant:
                wrong.append(f"{listens[listener].purpose} ({listener}) lets {one or 'anybody'} {answer}")
            if meant and not came_in and not elsewhere(listener, listens[listener], *names[one], machine):
                wrong.append(f"{listens[listener].purpose} ({listener}) refuses {one}: {answer}")
        assert not wrong, f"{summary}: {len(wrong)} of {len(answers)}: {'; '.join(sorted(wrong)[:12])}"
        return answers

    # Patroni acts on a reload when its loop comes round again.
    answers = eventually(as_planned, seconds=RELOAD_SECONDS, interval=2)
    allowed = sum(answer.startswith("in") for answer in answers.values())
    record_property("matrix", f"{summary}: {allowed} let in")


def elsewhere(listener, listen, certificate, where, machine):
    """Whether it is let in to this service, but not from this host or this address of it."""
    if listen.port == postgres.PORT:
        stranger = certificate == "pgbouncer-client" and not {"app", "worker"} & set(machine.groups)
        return stranger or listener.startswith("127.")
    # etcd compares the addresses in a certificate with the caller's.
    return listen.port == etcd.PEER_PORT and where != machine.name


def test_file_backups_are_open_to_their_own_host_alone(host, estate, machine, listeners, identities):
    """The certificate of one sender does not open the repository of another."""
    proxies = [listener for listener in listeners if listener.listen.port == files.PROXY_PORT]
    if not proxies:
        not_applicable("this host keeps no backups of files")
    for one in (one for one in estate.machines if sends(estate, one)):
        shown = [{"id": one.name, "pem": pem(identities[files.CLIENT, one.name])}]
        others = [get(f"/{name}/config", "HTTP/1.1 200") for name in ("other", *plans(estate)) if name != one.name]
        answers = knock(host, {"certificates": shown, "listeners": [listener.sent(others) for listener in proxies]})
        assert not [answer for answer in answers.values() if answer.startswith("in")], f"{one.name} opens another's"


@pytest.mark.item("LAW-04")
def test_no_listener_speaks_weak_tls(host, listeners, identities, estate):
    """Asked by handshakes: nothing below TLS 1.2, of that no suite outside of Mozilla's intermediate profile."""
    callers = {one.issuer: (one.name, name) for name, one in clients(estate)}
    # With TLS 1.2 a server refuses who shows nothing before the handshake is complete.
    asked = [
        {**listener.sent(), "pem": pem(identities.get(callers.get(listener.listen.issuer)))} for listener in listeners
    ]
    answers = knock(host, {"certificates": [], "versions": True, "listeners": asked})
    for listener in listeners:
        weak = [
            one for one in answers[listener.id] if not one.startswith("TLSv1.3") and not one.startswith("TLSv1.2 (")
        ]
        assert not weak, f"{listener.listen.purpose} ({listener.id}) accepts {', '.join(weak)}"
        assert answers[listener.id], f"{listener.listen.purpose} ({listener.id}) completes no handshake at all"


def clients(estate):
    """(host, certificate) of everything that calls."""
    for name, plan in plans(estate).items():
        yield from ((name, one) for one in plan.certificates if one.subject.purpose == "client")


@pytest.mark.item("LAW-04")
def test_listeners_speak_tls_unless_declared_plain(host, estate, machine):
    """Beyond loopback: each listener is declared, and one without TLS is declared as such in the plan."""
    declared = {listen.port: listen.tls for listen in plans(estate)[machine.name].listens}
    own = {rule.port for rule in estate.firewall.extra_inbound}
    unknown = []
    for address, port, process in sockets(host):
        local = address not in ("*", "0.0.0.0", "::") and ip_address(address).is_loopback  # noqa: S104
        if not local and port not in declared and port not in own:
            unknown.append(f"{address}:{port} {process}")
    assert not unknown, f"not in the plan: {'; '.join(unknown)}"


def test_pgbackrest_authorises_its_callers_by_name(host, estate, machine, listeners, identities):
    """pgBackRest's own program asks with each client certificate that TLS lets through."""
    listens = [listener.listen for listener in listeners if listener.listen.port == backup.PORT]
    if not listens:
        not_applicable("pgBackRest serves nobody here")
    work = "/run/knock"
    pair = f"--repo1-host-cert-file={work}/pem --repo1-host-key-file={work}/pem"
    script = (
        f"cd / && rm -rf {work} && install -d -o postgres -m 700 {work} && cat > {work}/pem "
        f"&& chown postgres {work}/pem && chmod 600 {work}/pem && runuser -u postgres -- pgbackrest --config=/dev/null "
        f"--stanza={backup.STANZA} "
        f"--repo1-path=/nothing --repo1-host={estate.fqdn(machine.name)} --repo1-host-type=tls "
        f"--repo1-host-port={backup.PORT} --repo1-host-ca-file={CA_PATH} {pair} --log-level-file=off "
        f"repo-ls 2>&1; rm -rf {work}"
    )
    # One of every name, and of pgBackRest's own all.
    tried = {}
    for (name, where), leaf in identities.items():
        if name == backup.CLIENT or name not in {one for one, _ in tried}:
            tried[name, where] = leaf
    for (name, where), leaf in tried.items():
        said = host.run_with_stdin(script, pem(leaf))
        refused = "access denied" in said.stdout or "handshake" in said.stdout or "TLS error" in said.stdout
        meant = listens[0].lets_in(name, where)
        assert refused != meant, f"{name}@{where} is {'refused' if refused else 'let in'}: {said.stdout[-300:]}"


def pem(leaf):
    """Key and certificate in one; nothing without a leaf."""
    return leaf.key + leaf.certificate if leaf else ""


def knock(host, wanted):
    """Carry out the program on the host; the certificates are not on its command line."""
    said = host.run_with_stdin(f"python3 -c {quote(PROGRAM)}", json.dumps(wanted) + "\n", timeout=300)
    assert said.rc == 0, f"the host could not knock: {said.stderr[-400:]}"
    return json.loads(said.stdout)

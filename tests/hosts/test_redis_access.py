"""Who may do what on Redis: strangers nothing, each user its own work, all of it over TLS only."""

import hashlib
import json
import re
import ssl

import pytest
from redis_client import as_user, ports, test_key

from tests.drills.harness.redis import ask, master_of
from xteam_infra.layers.redis.needs import SENTINEL
from xteam_infra.plan.needs import CA_PATH
from xteam_infra.secrets.escape import redis

pytestmark = pytest.mark.group("redis")
USERS = {"admin", "app", "backup", "exporter", "replica", "router", "sentinel"}
SENTINEL_USERS = {"admin", "app", "backup", "exporter", "router", "sentinel"}
FORBIDDEN_TO_ALL = ("FLUSHALL", "CONFIG SET dir /", "DEBUG SLEEP 0", "SHUTDOWN NOSAVE", "ACL LIST", "MODULE LOAD x")
NO_DATA = (*FORBIDDEN_TO_ALL, "GET x", "SET x 1", "DEL x", "KEYS *", "EVAL x 0")
FORBIDDEN = {
    "app": (*FORBIDDEN_TO_ALL, "CONFIG GET *", "CONFIG SET maxmemory 0", "REPLICAOF NO ONE", "CLIENT KILL 0"),
    "backup": (*NO_DATA, "CONFIG GET *", "REPLICAOF NO ONE"),
    "exporter": (*NO_DATA, "REPLICAOF NO ONE", "CLIENT KILL 0"),
    "replica": (*NO_DATA, "CONFIG GET *", "REPLICAOF NO ONE"),
    "router": (*NO_DATA, "CONFIG GET *", "REPLICAOF NO ONE"),
    "sentinel": (*NO_DATA, "CONFIG GET *"),
}
FORBIDDEN_ON_SENTINEL = dict.fromkeys(
    ("app", "backup", "exporter", "router", "sentinel"),
    (
        "SENTINEL REMOVE queue",
        "SENTINEL FAILOVER queue",
        "SENTINEL SET queue quorum 9",
        "ACL LIST",
        "SHUTDOWN",
    ),
)


@pytest.mark.item("RED-03")
def test_redis_refuses_missing_and_wrong_passwords(host, estate, secret, figures):
    """Without a password, with a guess, with another user's, and with that of the same user of another role."""
    tried, let_in = 0, []
    for role, port in ports(estate).items():
        other = "queue" if role != "queue" else "cache"
        tries = (
            ("nobody", "PING", "NOAUTH"),
            ("a guess", "AUTH app guess", "WRONGPASS"),
            ("the default user", "AUTH default guess", "WRONGPASS"),
            ("another user's password", f"AUTH admin {redis(secret(f'redis/{role}/app'))}", "WRONGPASS"),
            ("another role's password", f"AUTH app {redis(secret(f'redis/{other}/app'))}", "WRONGPASS"),
            ("a client that failed to log in", "PING", "NOAUTH"),
        )
        cli = f"redis-cli -p {port} --tls --cacert {CA_PATH}"
        said = host.run_with_stdin(cli, "".join(f"{command}\n" for _, command, _ in tries)).stdout.split("\n")
        answers = [line for line in said if line]
        tried += len(tries)
        for (who, _, wanted), answer in zip(tries, answers, strict=True):
            if not answer.startswith(wanted):
                let_in.append(f"{role} lets in {who}: {answer}")
    figures.update(tried=tried, refused=tried - len(let_in))
    assert not let_in, "; ".join(let_in)


# Ways to be nobody: who never logged in, who failed to, and who did and then went back to the default user.
NOBODY = {
    "who has not logged in": (),
    "who tried the default user": ('AUTH default ""', 'AUTH ""', 'HELLO 3 AUTH default ""', "AUTH default nopass"),
    "who logged in and reset the connection": ("AUTH app PASSWORD", "RESET"),
    "who reset the connection in a transaction": ("AUTH app PASSWORD", "MULTI", "RESET"),
}
REFUSED = re.compile(r"-(NOAUTH|EXECABORT .*NOAUTH|ERR (DEBUG|MODULE) command not allowed)")
# Two end what was: the connection is nobody's afterwards. AUTH gets no answer when others wait before it.
LEFT_OUT = {"reset", "quit", "auth"}


@pytest.mark.item("RED-03")
def test_redis_default_user_has_no_rights(host, estate, secret, figures):
    """Every command that the instance knows, on connections of nobody: the default user, which has all rights."""
    tried, let_in = 0, []
    for role, one in estate.redis.redis_instances.items():
        commands = list(every_command(host, role))
        for who, first in NOBODY.items():
            before = [line.replace("PASSWORD", redis(secret(f"redis/{role}/app"))) for line in first]
            # Who is not refused this would carry out all the others.
            assert not (allowed := answered(host, one.port, before, ["PING"])), f"{role} lets in {who}: {allowed}"
            let_in += [f"{role}: {who}: {said}" for said in answered(host, one.port, before, commands)]
            tried += len(commands)
    figures.update(tried=tried, refused=tried - len(let_in))
    assert not let_in, f"{len(let_in)} of {tried}: {'; '.join(let_in[:5])}"


def answered(host, port, before, commands):
    """Those that are not refused on a connection with something before them, each with its answer."""
    lines = "".join(f"{line}\r\n" for line in (*before, *commands, "QUIT"))
    cli = f"timeout 30 openssl s_client -quiet -connect 127.0.0.1:{port} -CAfile {CA_PATH} 2>/dev/null"
    *said, _ = host.run_with_stdin(cli, lines).stdout.splitlines()
    head, answers = said[: -len(commands)], said[-len(commands) :]
    assert ("RESET" in before) == ("+RESET" in head), f"what comes before was not done: {head}"
    asked = zip(commands, answers, strict=True)
    return [f"{line}: {answer}" for line, answer in asked if not REFUSED.match(answer)]


def every_command(host, role):
    """Each command and subcommand, with as many words as it takes."""
    for name, arity, *_, subcommands in json.loads(ask(host, role, "--json COMMAND")):
        for full, words, *_ in subcommands or [(name, arity)]:
            if full not in LEFT_OUT:
                yield " ".join((*full.split("|"), *["1"] * (abs(words) - 1 - full.count("|"))))


@pytest.mark.item("RED-03")
def test_passwords_are_those_of_the_store_and_no_others(host, estate, secret):
    """One password each, kept as a hash; no user beside the declared ones; the default user is off."""
    for role in ports(estate):
        found = {}
        for line in ask(host, role, "ACL LIST").splitlines():
            _, user, state, *rules = line.split()
            found[user] = (state, rules)
        expected = SENTINEL_USERS if role == SENTINEL else USERS
        assert set(found) == expected | {"default"}, f"{role} has the users {', '.join(sorted(found))}"
        state, rules = found.pop("default")
        # Whatever it may do, it can't be logged in as; a Redis instance replays its append-only file as this user.
        passwords = [rule for rule in rules if rule == "nopass" or rule.startswith("#")]
        assert state == "off" and not passwords, f"{role}: the default user is {state}, with {passwords}"
        for user, (state, rules) in found.items():
            hashes = [rule[1:] for rule in rules if rule.startswith("#")]
            wanted = hashlib.sha256(secret(f"redis/{role}/{user}").encode()).hexdigest()
            assert state == "on" and hashes == [wanted], f"{role}: {user} has another password than the store says"
            assert "nopass" not in rules, f"{role}: {user} needs no password"


@pytest.mark.item("RED-03")
def test_no_user_may_do_more_than_its_work(host, estate, figures):
    """Asked with ACL DRYRUN: nothing would be left if one of them were allowed and carried out."""
    tried = [(role, user, command) for role in estate.redis.redis_instances for user, command in pairs(FORBIDDEN)]
    tried += [(SENTINEL, user, command) for user, command in pairs(FORBIDDEN_ON_SENTINEL)]
    allowed = []
    for role in ports(estate):
        asked = [one for one in tried if one[0] == role]
        lines = "".join(f"ACL DRYRUN {user} {command}\n" for _, user, command in asked)
        answers = host.run_with_stdin(f"xteam-redis {role}", lines).stdout.splitlines()
        said = zip(asked, filter(None, answers), strict=True)
        allowed += [(*one, answer) for one, answer in said if "has no permissions" not in answer]
    figures.update(tried=len(tried), refused=len(tried) - len(allowed))
    assert not allowed, "; ".join(f"{role}: {user} may {command}: {answer}" for role, user, command, answer in allowed)


def pairs(forbidden):
    """Each user with each command."""
    return [(user, command) for user, commands in forbidden.items() for command in commands]


@pytest.mark.item("RED-03")
def test_the_application_reaches_its_own_keys_only(host, hosts, estate, secret):
    """Asks the master, as the application: its own keys work, another role's and the administrator's don't."""
    for role, one in estate.redis.redis_instances.items():
        if master_of(host, hosts, role).name != host.name:
            continue
        with test_key(host, role, one.app_keys[0]) as key:
            commands = [f"SET {key} 1 EX 60", f"GET {key}", "SET xteam-foreign:1 1 EX 1"]
            said = as_user(host, one.port, "app", secret(f"redis/{role}/app"), commands).stdout.splitlines()
        assert said[:2] == ["OK", "1"], f"{role}: the application can't use its own key {key}: {said}"
        if "*" not in one.app_keys:
            assert said[2].startswith("NOPERM"), f"{role}: the application writes a foreign key: {said[2]}"


@pytest.mark.item("RED-03")
def test_services_listen_with_tls_only(host, estate):
    """No process of Redis listens on any other port, and a plain client gets no answer on these."""
    listening = {
        int(line.split()[3].rpartition(":")[2])
        for line in host.check_output("ss -Hltnp").splitlines()
        if '"redis-se' in line
    }
    assert listening == set(ports(estate).values()), f"Redis listens on {sorted(listening)}"
    for role, port in ports(estate).items():
        said = host.run(f"echo PING | timeout 5 redis-cli -p {port}")
        assert "PONG" not in said.stdout and "NOAUTH" not in said.stdout, f"{role} speaks plaintext on {port}"


@pytest.mark.item("RED-03")
def test_certificates_are_verifiable(host, estate):
    """The certificate served, not the one on disk, is of the internal CA and for the names clients use."""
    for role, port in ports(estate).items():
        for name in (estate.fqdn("redis"), estate.fqdn(host.name)):
            said = host.run(
                f"openssl s_client -connect 127.0.0.1:{port} -CAfile {CA_PATH} -verify_return_error"
                f" -verify_hostname {name} -brief </dev/null 2>&1"
            ).stdout
            assert "Verification: OK" in said, f"{role}'s certificate is not good for {name}: {said}"
            assert "TLSv1.3" in said, f"{role} does not speak TLS 1.3: {said}"
        pem = host.check_output(f"openssl s_client -connect 127.0.0.1:{port} </dev/null 2>/dev/null | openssl x509")
        assert ssl.PEM_cert_to_DER_cert(pem) == ssl.PEM_cert_to_DER_cert(
            host.check_output(f"openssl x509 -in /etc/xteam/pki/redis-{role}.crt")
        ), f"{role} serves an older certificate than it has on disk"

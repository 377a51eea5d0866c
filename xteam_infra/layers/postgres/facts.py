"""State of the PostgreSQL cluster as Patroni and the server tell it."""

import json
from typing import Any, NamedTuple

from pyinfra.api import FactBase, QuoteString, StringCommand
from typing_extensions import override

from xteam_infra.layers.postgres.needs import PATRONI_CLIENT, REST_PORT
from xteam_infra.plan.needs import CA_PATH, PKI_DIRECTORY

_PAIR = f"--cert {PKI_DIRECTORY}/{PATRONI_CLIENT}.crt --key {PKI_DIRECTORY}/{PATRONI_CLIENT}.key"
CURL = f"curl -s -m 5 --cacert {CA_PATH} {_PAIR}"
HERE = f"https://127.0.0.1:{REST_PORT}"
# Parameters that a standby may not have lower than its primary.
RAISED_ON_STANDBYS_FIRST = {
    "max_connections",
    "max_locks_per_transaction",
    "max_prepared_transactions",
    "max_wal_senders",
    "max_worker_processes",
}


class Member(NamedTuple):
    """One member as its own Patroni describes it. waits_for_restart: parameter to (old, new) value."""

    name: str
    address: str
    leads: bool
    running: bool
    synchronous: bool
    waits_for_restart: dict[str, tuple[str, str]]

    @property
    def lowers(self) -> bool:
        """Whether a parameter is to be lowered that the leader must lower first."""
        return any(
            name in RAISED_ON_STANDBYS_FIRST and new.isdigit() and old.isdigit() and int(new) < int(old)
            for name, (old, new) in self.waits_for_restart.items()
        )


class Members(FactBase[list[Member]]):
    """The members that answer, asked over Patroni's API at `addresses`."""

    default = list

    @override
    def command(self, addresses: list[str]) -> StringCommand:
        words = " ".join(addresses)
        ask = f"printf '%s ' $a; {CURL} https://$a:{REST_PORT}/patroni 2>/dev/null | tr -d '\\n'; echo"
        return StringCommand(f"for a in {words}; do {ask}; done")

    @override
    def process(self, output: list[str]) -> list[Member]:
        members = []
        for line in output:
            address, _, text = line.partition(" ")
            if text.startswith("{"):
                members.append(_member(address, json.loads(text)))
        return members


def _member(address: str, said: dict[str, Any]) -> Member:
    reasons = said.get("pending_restart_reason") or ({"?": {}} if said.get("pending_restart") else {})
    return Member(
        name=said["patroni"]["name"],
        address=address,
        leads=said.get("role") in ("primary", "master"),
        running=said.get("state") == "running",
        synchronous=bool(said.get("sync_standby")),
        waits_for_restart={
            name: (str(one.get("old_value")), str(one.get("new_value"))) for name, one in reasons.items()
        },
    )


class SystemIdentifier(FactBase[tuple[str, bool]]):
    """The cluster's system identifier, empty when no member runs on this host; and whether this member leads."""

    @staticmethod
    @override
    def default() -> tuple[str, bool]:
        return "", False

    @override
    def command(self) -> StringCommand:
        return StringCommand(CURL, f"{HERE}/patroni 2>/dev/null | tr -d '\\n'; true")

    @override
    def process(self, output: list[str]) -> tuple[str, bool]:
        text = "".join(output)
        said = json.loads(text) if text.startswith("{") else {}
        return str(said.get("database_system_identifier") or ""), said.get("role") in ("primary", "master")


class ClusterMembers(FactBase[list[dict[str, Any]]]):
    """All members as the member on this host sees them, each with name, role, state, lag, timeline, tags; or none."""

    default = list

    @override
    def command(self) -> StringCommand:
        return StringCommand(CURL, f"{HERE}/cluster 2>/dev/null; true")

    @override
    def process(self, output: list[str]) -> list[dict[str, Any]]:
        text = "".join(output)
        return json.loads(text).get("members", []) if text.startswith("{") else []


class DynamicConfiguration(FactBase[dict[str, Any]]):
    """What all members share, asked of the member on this host; empty while there is no cluster."""

    default = dict

    @override
    def command(self) -> StringCommand:
        return StringCommand(CURL, f"{HERE}/config 2>/dev/null; true")

    @override
    def process(self, output: list[str]) -> dict[str, Any]:
        text = "".join(output)
        return json.loads(text) if text.startswith("{") else {}


class Question(NamedTuple):
    """An SQL expression to be asked in a database."""

    name: str
    database: str
    expression: str


class Answers(FactBase[dict[str, str]]):
    """The answer to each question by its name, asked of the server on this host if it leads.

    "leads" or "follows" is among them unless Patroni does not run. A question that fails (because what it asks
    about is not there) has no answer.
    """

    default = dict

    @override
    def command(self, questions: list[Question]) -> StringCommand:
        code = f"$({CURL} -o /dev/null -w '%{{http_code}}' {HERE}/primary)"
        bits: list[str | QuoteString] = [
            f"case {code} in 200) echo leads=t;; 503) echo follows=t; exit 0;; *) exit 0;; esac;"
        ]
        for database in dict.fromkeys(question.database for question in questions):
            asked = [one for one in questions if one.database == database]
            sql = "\n".join(f"SELECT '{one.name}=' || ({one.expression});" for one in asked)
            bits += ["printf '%s\\n'", QuoteString(sql), f"| {psql(database)} 2>/dev/null;"]
        return StringCommand(*bits, "true")

    @override
    def process(self, output: list[str]) -> dict[str, str]:
        return dict(line.split("=", 1) for line in output if "=" in line)


def psql(database: str, options: str = "") -> str:
    """Shell: run SQL from standard input on this host as the server's own account, bounded in time."""
    return f"timeout 120 runuser -u postgres -- env -C / psql -XAtq {options} -d {database}"

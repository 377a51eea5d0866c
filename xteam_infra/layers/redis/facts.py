"""What the Redis instances and Sentinel of a host run with now."""

import json
from typing import Any, NamedTuple

from pyinfra.api import FactBase, QuoteString, StringCommand
from typing_extensions import override

from xteam_infra.engine.facts.services import APPLIED

CLI = "/usr/local/sbin/xteam-redis"
STATE = "/var/lib/redis"


class InstanceState(NamedTuple):
    """One role on one host.

    config: what CONFIG GET said; None when the instance doesn't answer (not deployed yet, down, or loading).
    denied: it answers, but refuses the administrator's password.
    users: digest of the users it runs with. loaded: what was noted when they, and the certificate, were last loaded.
    certificate: digest of the certificate's files.
    """

    config: dict[str, str] | None
    denied: bool
    users: str
    loaded: dict[str, str]
    certificate: str


def loaded_stamp(role: str, what: str) -> str:
    """Path of the note of what was last loaded. what: "users" or "certificate"."""
    return f"{APPLIED}/redis-{role}.{what}"


def certificate_digest(crt: str, key: str) -> str:
    """Shell: one digest of the certificate's files; a file replaced and put back counts as new."""
    return f"stat -c '%n %i %Y' -- {crt} {key} 2>&1 | sha256sum | cut -c1-64"


USERS_DIGEST = "sha256sum | cut -c1-64"


class Instances(FactBase[dict[str, InstanceState]]):
    """State of every role on the host, one round trip.

    roles: {role: (certificate, key)}. keys: the settings to ask for; never one that holds a secret.
    """

    default = dict

    @override
    def command(self, roles: dict[str, tuple[str, str]], keys: list[str]) -> str:
        return "\n".join(_look(role, *paths, keys) for role, paths in roles.items()) + "\ntrue"

    @override
    def process(self, output: list[str]) -> dict[str, InstanceState]:
        found: dict[str, dict[str, str]] = {}
        for line in output:
            kind, role, *value = line.split(" ", 2)
            found.setdefault(role, {})[kind] = value[0] if value else ""
        return {role: _state(values) for role, values in found.items()}


def _look(role: str, crt: str, key: str, keys: list[str]) -> str:
    ask = f"CONFIG GET {' '.join(keys)}\\nACL LIST\\n"
    return f"""
echo "ROLE {role}"
printf '{ask}' | timeout 5 {CLI} {role} --json 2>&1 | {{
  read -r answer; echo "CONFIG {role} $answer"; echo "USERS {role} $({USERS_DIGEST})"
}}
echo "HAD_USERS {role} $(cat {loaded_stamp(role, "users")} 2>/dev/null)"
echo "HAD_CERTIFICATE {role} $(cat {loaded_stamp(role, "certificate")} 2>/dev/null)"
echo "CERTIFICATE {role} $({certificate_digest(crt, key)})"
"""


def _state(values: dict[str, str]) -> InstanceState:
    answer = values.get("CONFIG", "")
    config = json.loads(answer) if answer.startswith("{") else None
    return InstanceState(
        config=config,
        denied="WRONGPASS" in answer or "NOAUTH" in answer or "AUTH failed" in answer,
        users=values.get("USERS", ""),
        loaded={"users": values.get("HAD_USERS", ""), "certificate": values.get("HAD_CERTIFICATE", "")},
        certificate=values.get("CERTIFICATE", ""),
    )


class SentinelMasters(FactBase[dict[str, dict[str, Any]]]):
    """{role: what SENTINEL MASTERS says of it} of the first of `addresses` whose Sentinel answers; else empty.

    "auth": SHA-256 of the password Sentinel uses, for this host's own Sentinel.
    """

    default = dict

    @override
    def command(self, addresses: list[str]) -> StringCommand:
        return StringCommand(
            "for peer in", *(QuoteString(one) for one in addresses), "; do",
            f"answer=$(XTEAM_REDIS_HOST=$peer timeout 3 {CLI} sentinel --json SENTINEL MASTERS 2>/dev/null)",
            "|| continue;",
            '[ "$answer" = "[]" ] || { printf "%s\\n" "$answer"; break; };',
            "done;",
            f"sed -n 's/^sentinel auth-pass //p' {STATE}/sentinel/state.conf 2>/dev/null |",
            "while read -r role password; do",
            'echo "AUTH $role $(printf %s "$password" | sha256sum | cut -c1-64)"; done;',
            "true",
        )  # fmt: skip

    @override
    def process(self, output: list[str]) -> dict[str, dict[str, Any]]:
        masters: dict[str, dict[str, Any]] = {}
        for line in output:
            if line.startswith("["):
                masters = {master["name"]: master for master in json.loads(line)}
        for line in output:
            if line.startswith("AUTH "):
                _, role, digest = line.split()
                masters.get(role, {})["auth"] = digest
        return masters


class ReplicationRole(FactBase[dict[str, str]]):
    """{role: address of the master that the instance on this host follows, or "" when it is the master itself}."""

    default = dict

    @override
    def command(self, roles: list[str]) -> str:
        ask = f"timeout 5 {CLI} $role INFO replication 2>/dev/null | tr -d '\\r'"
        pick = "sed -n 's/^role:master/ /p; s/^master_host:/ /p'"
        return f'for role in {" ".join(roles)}; do {ask} | {pick} | sed "s/^/$role/"; done; true'

    @override
    def process(self, output: list[str]) -> dict[str, str]:
        return {line.split(" ")[0]: line.split(" ")[1] for line in output}


class MissingStateFiles(FactBase[list[str]]):
    """Those of `roles` whose instance has no state file yet."""

    default = list

    @override
    def command(self, roles: list[str]) -> str:
        return f"for role in {' '.join(roles)}; do [ -s {STATE}/$role/state.conf ] || echo $role; done"

    @override
    def process(self, output: list[str]) -> list[str]:
        return list(output)


class Born(FactBase[dict[str, float]]):
    """Since when this host has data of each role, seconds since the epoch; 0 when that was never written down."""

    default = dict

    @override
    def command(self) -> str:
        look = 'echo "$(basename "$d") $(cat "$d/born" 2>/dev/null || echo 0)"'
        return f'for d in {STATE}/*/; do [ ! -s "$d/state.conf" ] || {look}; done'

    @override
    def process(self, output: list[str]) -> dict[str, float]:
        return {role: float(moment) for role, _, moment in (line.partition(" ") for line in output)}


class NotServing(FactBase[list[str]]):
    """Those of `units` that systemd doesn't run, or whose certificate nobody accepts. units: {unit: role}."""

    default = list

    @override
    def command(self, units: dict[str, str]) -> str:
        return "\n".join(_look_at_unit(unit, role) for unit, role in units.items()) + "\ntrue"

    @override
    def process(self, output: list[str]) -> list[str]:
        return list(output)


def _look_at_unit(unit: str, role: str) -> str:
    refused = f"timeout 5 {CLI} {role} PING 2>&1 | grep -q 'certificate verify failed'"
    return f"if ! systemctl is-active -q {unit} || {refused}; then echo {unit}; fi"


class StaleRoles(FactBase[list[str]]):
    """Roles that have a configuration of this project on the host, declared or not."""

    default = list

    @override
    def command(self) -> str:
        return 'for file in /etc/redis/redis-*.start.conf; do [ -e "$file" ] && echo "$file"; done; true'

    @override
    def process(self, output: list[str]) -> list[str]:
        return [line.rpartition("/redis-")[2].removesuffix(".start.conf") for line in output]

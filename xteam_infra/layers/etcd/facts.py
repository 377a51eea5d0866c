"""State of an etcd member and of the cluster's access rules."""

import json
from typing import Any, NamedTuple

from pyinfra.api import FactBase, QuoteString, StringCommand
from typing_extensions import override

from xteam_infra.plan.needs import CA_PATH

CTL = "/usr/local/sbin/xteam-etcdctl"
USER = "patroni"
PREFIX = "/xteam/"


class Membership(NamedTuple):
    """has_data: this host has been a member before; members: {peer URL: name} of a cluster that answers, else empty.
    A member that was added but never started has no name."""

    has_data: bool
    members: dict[str, str]


class EtcdMembership(FactBase[Membership]):
    """Whether this host has data, and if not, which cluster the other members say there is."""

    @override
    def command(self, data_dir: str, others: str) -> StringCommand:
        ask = f"XTEAM_ETCD_ENDPOINTS={others} {CTL} member list -w json 2>/dev/null" if others else "true"
        return StringCommand(
            "echo looked; if [ -d", QuoteString(f"{data_dir}/member"), "]; then echo data; else", ask, "; true; fi",
        )  # fmt: skip

    @override
    def process(self, output: list[str]) -> Membership:
        listed = [one for line in output if line.startswith("{") for one in json.loads(line)["members"]]
        return Membership("data" in output, {one["peerURLs"][0]: one.get("name", "") for one in listed})


class EtcdMembers(FactBase[dict[str, tuple[str, str]]]):
    """The cluster's members as {identifier in hexadecimal: (name, peer URL)}; empty when it does not answer."""

    default = dict

    @override
    def command(self) -> StringCommand:
        return StringCommand(CTL, "member list -w json 2>/dev/null; true")

    @override
    def process(self, output: list[str]) -> dict[str, tuple[str, str]]:
        listed = [one for line in output if line.startswith("{") for one in json.loads(line)["members"]]
        return {f"{one['ID']:x}": (one.get("name", ""), one["peerURLs"][0]) for one in listed}


class EtcdAccess(FactBase[frozenset[str]]):
    """Which of these hold: "answers", "enabled", "role" (read and write below PREFIX, nothing else), "granted" and
    "password". The password is handed over on standard input; endpoints: comma separated.
    """

    default = frozenset

    @override
    def command(self, certificate: str, key: str, endpoints: str) -> StringCommand:
        # A certificate whose common name is no etcd user: what is tried is the password.
        trust = f"--cacert={CA_PATH} --cert={certificate} --key={key}"
        login = f"timeout 10 etcdctl --command-timeout=5s --endpoints={endpoints} {trust}"
        return StringCommand(
            "IFS= read -r ETCDCTL_PASSWORD; test -x", CTL, "|| exit 0;",
            "status=$(", CTL, "auth status 2>/dev/null) && echo answers;",
            "echo \"$status\" | grep -qi 'status: true' && echo enabled;",
            CTL, "role get", USER, "-w json 2>/dev/null | sed 's/^/role=/';",
            CTL, "user get", USER, "-w json 2>/dev/null | sed 's/^/user=/';",
            f"export ETCDCTL_PASSWORD ETCDCTL_USER={USER};", login, f"get {PREFIX} --prefix --limit=1 >/dev/null 2>&1",
            "&& echo password; true",
        )  # fmt: skip

    @override
    def process(self, output: list[str]) -> frozenset[str]:
        found = {line for line in output if line in ("answers", "enabled", "password")}
        for line in output:
            kind, _, text = line.partition("=")
            if kind == "role" and _permits_prefix(json.loads(text).get("perm") or []):
                found.add("role")
            if kind == "user" and json.loads(text).get("roles") == [USER]:
                found.add("granted")
        # Without authentication every password is accepted.
        return frozenset(found if "enabled" in found else found - {"password"})


def _permits_prefix(permissions: list[dict[str, Any]]) -> bool:
    return len(permissions) == 1 and permissions[0].get("permType") == 2

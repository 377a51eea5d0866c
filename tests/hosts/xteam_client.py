"""Speaks to one API host as the edge does, and runs scripts on hosts in the application's own Python."""

import base64
import hashlib
import hmac
import json
import time
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any
from uuid import uuid4

from xteam_infra.layers.app.needs import API_UNIT, DRAINED, ports
from xteam_infra.plan.needs import CA_PATH

CA = CA_PATH


def serving(host: Any, estate: Any) -> tuple[str, int]:
    """Unit and port of the API instance that serves on a host: it runs, and is not kept from requests."""
    listed = host.run(f"systemctl list-units --plain --no-legend --state=active '{API_UNIT}'").stdout.splitlines()
    held = {f"xteam-api@{colour}.service" for colour in host.run(f"ls {DRAINED}").stdout.split()}
    unit = next((line.split()[0] for line in listed if line.split()[0] not in held), API_UNIT)
    colour = unit.partition("@")[2].removesuffix(".service")
    return unit, ports(estate.app).get(colour, estate.app.app_port)


@dataclass(frozen=True)
class Answer:
    """headers: lower case names."""

    status: int
    headers: dict[str, str]
    text: str

    def json(self) -> Any:
        return json.loads(self.text)


@dataclass
class Api:
    """The API of `host`, asked from `client`: an edge, whose word on who the caller is the API trusts.

    Each Api is a caller of its own to the rate limit.
    """

    host: Any
    client: Any
    estate: Any
    caller: str = field(default_factory=lambda: f"2001:db8::{uuid4().hex[:4]}:{uuid4().hex[:4]}")

    @cached_property
    def port(self) -> int:
        """Of the instance that serves."""
        return serving(self.host, self.estate)[1]

    def __call__(
        self, path: str, method: str = "GET", token: str = "", body: Any = None, options: str = "", **headers: str
    ) -> Answer:
        """Ask. headers: names with _ for -. options: further ones of curl. Tokens travel on standard input."""
        sent = {"Host": self.estate.all.domain, "X-Forwarded-For": self.caller, "Expect": ""}
        sent |= {name.replace("_", "-"): value for name, value in headers.items()}
        if token:
            sent["Authorization"] = f"Bearer {token}"
        if body is not None:
            sent["Content-Type"] = "application/json"
        url = f"https://{self.host.address}:{self.port}{path}"
        config = [f"url = {json.dumps(url)}", f"cacert = {CA}", f"request = {method}", "max-time = 30", "include"]
        config += [f"header = {json.dumps(f'{name}: {value}'.strip())}" for name, value in sent.items()]
        if body is not None:
            config.append(f"data = {json.dumps(json.dumps(body))}")
        return curl(self.client, config, options)

    def login(self, name: str, password: str) -> str:
        """A new token."""
        answer = self("/auth/login", "POST", body={"name": name, "password": password})
        assert answer.status == 200, f"{self.host.name} lets nobody log in: {answer.status} {answer.text}"
        return answer.json()["access_token"]


def curl(client: Any, config: list[str], options: str = "", account: str = "root") -> Answer:
    """What curl on `client` gets. config: lines of its configuration, with `include`; they may hold secrets.

    account: whose process it is; the firewall lets each account out to its own destinations.
    """
    command = f"setpriv --reuid {account} --clear-groups curl -sS -K - {options}"
    said = client.run_with_stdin(command, "\n".join(config) + "\n")
    assert said.rc == 0, f"{client.name} gets no answer: {said.stderr.strip()}"
    head, _, text = said.stdout.replace("\r\n", "\n").partition("\n\n")
    first, *lines = head.splitlines()
    pairs = (line.split(":", 1) for line in lines if ":" in line)
    return Answer(int(first.split()[1]), {name.lower(): value.strip() for name, value in pairs}, text)


def run_python(host: Any, script: str, timeout: float = 60) -> Any:
    """What a script prints as JSON, run on `host` as the application, in its environment. It may hold secrets."""
    said = host.run_with_stdin("xteam-run -", script, timeout=timeout)
    assert said.rc == 0, f"the application's Python failed on {host.name}: {said.stderr.strip()[-1500:]}"
    return json.loads(said.stdout.strip().splitlines()[-1])


def claims(token: str) -> dict[str, Any]:
    """What a token says."""
    part = token.split(".")[1]
    return json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))


def forge(key: str, user: object) -> str:
    """A token that is right in everything but, perhaps, its key."""
    now = int(time.time())
    parts = ({"alg": "HS256", "typ": "JWT"}, {"sub": str(user), "jti": uuid4().hex, "iat": now, "exp": now + 600})
    text = ".".join(_packed(json.dumps(part).encode()) for part in parts)
    return f"{text}.{_packed(hmac.digest(key.encode(), text.encode(), hashlib.sha256))}"


def _packed(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


@dataclass(frozen=True)
class User:
    """A user that exists for the checks alone. id: as in tokens."""

    name: str
    password: str
    id: str


def make_user(host: Any, name: str, password: str, *options: str) -> None:
    """A user that exists for the checks alone. options: of xteam.manage."""
    # Whoever makes staff needs more than the application has.
    run = "xteam-operate" if "--staff" in options else "xteam-run"
    said = host.run_with_stdin(f"{run} -m xteam.manage create-user {' '.join(options)} {name}", f"{password}\n")
    assert said.rc == 0, f"no user can be made on {host.name}: {said.stderr.strip()[-500:]}"


def through(host: Any, hosts: Any, estate: Any) -> Api:
    """The API of a host, asked from an edge if there is one."""
    edges = hosts.group("edge")
    return Api(host, edges[0] if edges else host, estate)

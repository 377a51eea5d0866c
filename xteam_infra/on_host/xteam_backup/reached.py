"""pgBackRest's configuration with those database hosts alone that answer.

pgBackRest waits three minutes for each host that is down, and `check` fails when that is the first one it knows.
"""

import re
import socket
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

CONFIG, MORE = Path("/etc/pgbackrest.conf"), "/etc/pgbackrest/conf.d"
OPTION = re.compile(r"pg(\d+)-([a-z-]+)=(.*)")
TRIES, ANSWER_SECONDS = 3, 3.0


@contextmanager
def reached_hosts() -> Iterator[list[str]]:
    """The words that have pgBackRest ask the hosts that answer; none when all do, or none does."""
    text = CONFIG.read_text()
    wanted = without_silent(text, answers)
    if wanted == text:
        yield []
        return
    with tempfile.NamedTemporaryFile("w", suffix=".conf") as file:
        file.write(wanted)
        file.flush()
        yield [f"--config={file.name}", f"--config-include-path={MORE}"]


def without_silent(text: str, answers: Callable[[str, int], bool]) -> str:
    """The configuration without the hosts that do not answer, and the others numbered anew from 1, as pgBackRest wants.

    It stays as it is when no host answers: then pgBackRest is to say so.
    """
    options: dict[str, dict[str, str]] = {}
    for line in text.splitlines():
        if found := OPTION.fullmatch(line):
            options.setdefault(found[1], {})[found[2]] = found[3]
    kept = [
        number
        for number, one in options.items()
        if "host" not in one or answers(one["host"], int(one.get("host-port", "8432")))
    ]
    if not kept or len(kept) == len(options):
        return text
    anew = {number: str(place) for place, number in enumerate(kept, start=1)}
    for number in sorted(set(options) - set(anew)):
        print(f"{options[number]['host']} does not answer: left out", flush=True)
    lines = []
    for line in text.splitlines():
        found = OPTION.fullmatch(line)
        if not found:
            lines.append(line)
        elif found[1] in anew:
            lines.append(f"pg{anew[found[1]]}-{found[2]}={found[3]}")
    return "\n".join(lines) + "\n"


def answers(host: str, port: int) -> bool:
    """Whether somebody listens there."""
    for _ in range(TRIES):
        try:
            socket.create_connection((host, port), ANSWER_SECONDS).close()
            return True
        except OSError:
            continue
    return False

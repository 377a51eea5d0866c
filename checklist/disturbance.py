"""Times in which hosts were asked and broken on purpose: what units complained of then says nothing of the estate."""

import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

from checklist.complaints import DISTURBED
from checklist.hosts import CheckedHost
from checklist.shell import CheckError


@contextmanager
def disturbance(hosts: Iterable[CheckedHost], what: str) -> Iterator[None]:
    """Note on each host, once all is well again, from when to when it was disturbed. Gone with a reboot.

    what: a word for whoever reads the file. Complaints from before and after stay complaints.
    """
    began = time.monotonic()
    try:
        yield
    finally:
        note(hosts, what, time.monotonic() - began)


def note(hosts: Iterable[CheckedHost], what: str, seconds: float) -> None:
    """The hosts were disturbed for so many seconds until now. One that does not answer keeps its complaints."""
    # By the host's own clock; a second more, for what began before the first command.
    command = f"now=$(date +%s%6N); echo $((now - {int((seconds + 1) * 1_000_000)})) $now {what} >> {DISTURBED}"

    def write(host: CheckedHost) -> None:
        try:
            host.run(command)
        except CheckError:
            return

    asked = list(hosts)
    with ThreadPoolExecutor(max(1, len(asked))) as threads:
        list(threads.map(write, asked))

"""Runs checks of several hosts and files at the same time, each share in one of a few children of this process.

Checks mostly wait: for a host, for an answer that must not come, for a limit to be reached. The children are forked
after the collection, so they cost nothing to start and all know the same inventory, settings and secrets.
(pytest-xdist's workers would each collect and read all of it again, and could not say what is refused meanwhile.)
"""

import multiprocessing
from multiprocessing.connection import Connection, wait
from multiprocessing.context import ForkProcess
from typing import Any

import pytest
from _pytest.runner import runtestprotocol

from checklist.hosts import Hosts
from checklist.run import ChecklistRun
from checklist.shell import CheckError

# Where the checks live that leave the hosts as they were. Drills and mutations have the estate for themselves.
DIRECTORIES = {"hosts", "repo", "suite"}
FORK = multiprocessing.get_context("fork")
# Until a child that is told to end has put back what its checks changed.
END_SECONDS = 30


class Parallel:
    """Takes pytest's place in running the tests, when there is more than one share. at_once: number of children."""

    def __init__(self, run: ChecklistRun, at_once: int):
        self._run, self._at_once = run, at_once

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool | None:
        shares = shares_of(session.items)
        options = session.config.option
        if min(self._at_once, len(shares)) < 2 or session.testsfailed or options.collectonly or options.usepdb:
            return None  # pytest's own loop
        self._run.learn_secrets()
        Shift(session, shares, self._run.hosts).run(min(self._at_once, len(shares)))
        if session.shouldfail:
            raise session.Failed(session.shouldfail)
        if session.shouldstop:
            raise session.Interrupted(session.shouldstop)
        return True


def shares_of(items: list[pytest.Item]) -> list[list[pytest.Item]]:
    """What one child does in one go: the checks of one file on one machine; the largest share first.

    Of a file marked `serial`, all of it; of all files marked `serial("NAME")`, all of them. One share, when any
    test is of a sort that needs the estate for itself.
    """
    if any(item.path.parent.name not in DIRECTORIES for item in items):
        return [items]
    shares: dict[tuple[object, object], list[pytest.Item]] = {}
    for item in items:
        alone = item.get_closest_marker("serial")
        key = (alone.args[0] if alone and alone.args else item.path, None if alone else machine_of(item))
        shares.setdefault(key, []).append(item)
    return sorted(shares.values(), key=len, reverse=True)


def machine_of(item: pytest.Item) -> object:
    """The machine a check looks at, if it looks at one."""
    return item.callspec.params.get("machine") if hasattr(item, "callspec") else None


class Shift:
    """One run: hands out shares, and tells pytest what came of them as if it had run them itself."""

    def __init__(self, session: pytest.Session, shares: list[list[pytest.Item]], hosts: Hosts):
        self._session, self._shares, self._hosts = session, shares, hosts
        self._left = list(range(len(shares)))
        self._processes: list[ForkProcess] = []
        # The shares each child has: the one it runs, and the next, which it asks for before it ends the first.
        self._at_work: dict[Connection, list[int]] = {}
        # The machines each child has looked at: it has a connection there, which is dear to make.
        self._known: dict[Connection, set[object]] = {}

    def run(self, children: int) -> None:
        """Returns when all shares are done, or the session is to stop."""
        try:
            for _ in range(children):
                self._start()
            while self._at_work:
                for pipe in wait(list(self._at_work)):
                    assert isinstance(pipe, Connection)
                    self._listen(pipe)
            if not (self._session.shouldfail or self._session.shouldstop):
                for number in self._left:
                    self._lost(number)
        finally:
            for pipe in self._at_work:
                pipe.close()
            for process in self._processes:
                process.join(END_SECONDS)
                process.terminate()

    def _start(self) -> None:
        ours, theirs = FORK.Pipe()
        arguments = (self._session, self._shares, self._hosts, theirs, [*self._at_work, ours])
        process = FORK.Process(target=_child, args=arguments)
        process.start()
        theirs.close()
        self._processes.append(process)
        self._at_work[ours], self._known[ours] = [], set()

    def _listen(self, pipe: Connection) -> None:
        try:
            message = pipe.recv()
        except EOFError:
            self._bury(pipe)
            return
        if message is None:
            self._hand_out(pipe)
        else:
            self._tell(*message)
            self._at_work[pipe].remove(message[0])

    def _bury(self, pipe: Connection) -> None:
        """A child has ended. A share that it was amid is lost; one that it had not begun is for its successor."""
        pipe.close()
        shares = self._at_work.pop(pipe)
        if shares:
            self._lost(shares[0])
            self._left += shares[1:]
            self._start()

    def _hand_out(self, pipe: Connection) -> None:
        if not self._left or self._session.shouldfail or self._session.shouldstop:
            pipe.send(None)
            return
        number = min(self._left, key=lambda number: (self._strange(pipe, number), number))
        self._left.remove(number)
        self._known[pipe].add(machine_of(self._shares[number][0]))
        self._at_work[pipe].append(number)
        pipe.send(number)

    def _strange(self, pipe: Connection, number: int) -> int:
        """0: on a machine this child knows, 1: that nobody knows yet, 2: that another child knows."""
        machine = machine_of(self._shares[number][0])
        if machine in self._known[pipe]:
            return 0
        return 2 if any(machine in known for known in self._known.values()) else 1

    def _tell(self, number: int, reports: list[list[dict[str, Any]]]) -> None:
        config = self._session.config
        for item, its_reports in zip(self._shares[number], reports, strict=True):
            item.ihook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
            for data in its_reports:
                report = config.hook.pytest_report_from_serializable(config=config, data=data)
                item.ihook.pytest_runtest_logreport(report=report)
            item.ihook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)

    def _lost(self, number: int) -> None:
        """The child that had this share is gone: nobody looked."""

        def gone() -> None:
            raise CheckError("the process that ran this check ended before it could tell")

        for item in self._shares[number]:
            call = pytest.CallInfo.from_call(gone, when="setup")
            report = item.ihook.pytest_runtest_makereport(item=item, call=call)
            item.ihook.pytest_runtest_logreport(report=report)


def _child(
    session: pytest.Session,
    shares: list[list[pytest.Item]],
    hosts: Hosts,
    pipe: Connection,
    others: list[Connection],
) -> None:
    """Run shares until there is none left. A share is asked for before the last test of the one before, because
    pytest must know which test comes next to keep the fixtures that both use."""
    for other in others:  # the ends of pipes that are the parent's
        other.close()
    _capture_anew(session.config)
    try:
        number = _ask(pipe)
        while number is not None:
            items, following, reports = shares[number], None, []
            for item, after in zip(items, [*items[1:], None], strict=True):
                if after is None:
                    following = _ask(pipe)
                    after = shares[following][0] if following is not None else None
                reports.append(_run(item, after))
            pipe.send((number, reports))
            number = following
    except (KeyboardInterrupt, EOFError, BrokenPipeError):
        pass  # the parent ends, and says why
    finally:
        session._setupstate.teardown_exact(None)
        hosts.close()


def _ask(pipe: Connection) -> int | None:
    pipe.send(None)
    number: int | None = pipe.recv()
    return number


def _run(item: pytest.Item, after: pytest.Item | None) -> list[dict[str, Any]]:
    config = item.config
    reports = runtestprotocol(item, log=False, nextitem=after)
    return [config.hook.pytest_report_to_serializable(config=config, report=report) for report in reports]


def _capture_anew(config: pytest.Config) -> None:
    """Else all children would write what they print into one file, the parent's."""
    capture = config.pluginmanager.getplugin("capturemanager")
    if capture and capture.is_globally_capturing():
        capture.stop_global_capturing()
        capture.start_global_capturing()

"""Breaks a host, sees what turns red, and heals it by the ordinary deploy."""

import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import get_args

from checklist.disturbance import note
from checklist.hosts import Hosts
from checklist.mutations import Mutation, Outcome, Result
from checklist.rerun import Known, RerunError, deploy, planned, red_of
from checklist.shell import CheckError

CHECKS = Path("tests/hosts")
WAIT_SECONDS = 90
LOOKS, LOOK_AGAIN_SECONDS = 3, 10


class Mutator:
    """Carries out mutations on one inventory. say: prints a line of progress.

    waived: items that are knowingly not met; being red, they tell nothing about a mutation.
    """

    def __init__(self, inventory: str, hosts: Hosts, known: Known, say: Callable[[str], None], waived: frozenset[str]):
        self._inventory, self._hosts, self._known, self._say = inventory, hosts, known, say
        self._waived = waived
        self._green: set[tuple[str, str]] = set()
        self.results: list[Result] = []

    def run(self, mutation: Mutation) -> Result:
        """Break, look, predict, heal, look again. Heals in any case. The result is kept in `results`."""
        started = time.monotonic()
        host = self._hosts.group(mutation.group)[0]
        result = Result(
            id=mutation.id, layer=mutation.layer, host=host.name, outcome="invalid", expect=sorted(mutation.expect)
        )
        self.results.append(result)
        limit = "" if mutation.all_hosts else host.name
        try:
            if self._is_green_before(mutation, limit, result):
                self._broken(mutation, limit, result)
        except (RerunError, CheckError) as error:
            _explain(result, str(error))
        finally:
            result.seconds = round(time.monotonic() - started, 1)
        return result

    def _is_green_before(self, mutation: Mutation, limit: str, result: Result) -> bool:
        if (mutation.checks, limit) in self._green:
            return True
        self._say(f"{mutation.id}: are the checks of {mutation.checks} green before?")
        if red := self._red_for_good(mutation, limit):
            _explain(result, f"already red before: {', '.join(sorted(red))}")
            return False
        self._green.add((mutation.checks, limit))
        return True

    def _broken(self, mutation: Mutation, limit: str, result: Result) -> None:
        self._say(f"{mutation.id}: break {result.host}")
        broken_at = time.monotonic()
        try:
            answer = self._hosts[result.host].run(mutation.break_)
            if answer.rc != 0:
                _explain(result, f"`break` ended with {answer.rc}: {answer.stderr.strip()}")
                return
            self._wait(mutation, result)
            time.sleep(mutation.delay)
            red = self._red(mutation, limit)
            result.red = sorted(red)
            result.outcome = _outcome(red, mutation.expect)
            if red != mutation.expect:
                _explain(result, f"red: {', '.join(sorted(red)) or 'nothing'}; must be: {', '.join(result.expect)}")
            self._say(f"{mutation.id}: red {', '.join(result.red) or 'nothing'}; what would the deploy do?")
            self._predict(mutation, limit, result)
        finally:
            self._heal(mutation, limit, result, broken_at)

    def _wait(self, mutation: Mutation, result: Result) -> None:
        """Raises CheckError when what the mutation waits for does not come."""
        deadline = time.monotonic() + WAIT_SECONDS
        while mutation.wait_for and (said := self._hosts[result.host].run(mutation.wait_for)).rc != 0:
            if time.monotonic() > deadline:
                raise CheckError(f"`wait_for` still ends with {said.rc} after {WAIT_SECONDS} s: {said.stderr.strip()}")
            time.sleep(0.5)

    def _predict(self, mutation: Mutation, limit: str, result: Result) -> None:
        if mutation.refused:
            self._refused(mutation, limit, result)
            return
        result.planned = planned(self._inventory, _deploy_of(mutation), limit)
        unforeseen = [name for name in result.planned if not any(text in name for text in mutation.expected_operations)]
        missing = [text for text in mutation.expected_operations if not any(text in name for name in result.planned)]
        result.dry_exact = not unforeseen and not missing
        if missing:
            _explain(result, f"--dry does not name {', '.join(missing)} (it names {result.planned or 'nothing'})")
        if unforeseen:
            _explain(result, f"--dry also names {', '.join(unforeseen)}")

    def _refused(self, mutation: Mutation, limit: str, result: Result) -> None:
        try:
            result.planned = planned(self._inventory, _deploy_of(mutation), limit)
            _explain(result, f"the deploy refuses nothing (it names {result.planned or 'nothing'})")
        except RerunError as error:
            result.dry_exact = mutation.refused in str(error) and "no host was changed" in str(error)
            if not result.dry_exact:
                _explain(result, f"it is not refused by {mutation.refused!r}: {error}")

    def _heal(self, mutation: Mutation, limit: str, result: Result, broken_at: float) -> None:
        self._green.discard((mutation.checks, limit))
        self._say(f"{mutation.id}: heal by {_deploy_of(mutation)}")
        self._hosts.memo.forget()
        if mutation.undo and (undone := self._hosts[result.host].run(mutation.undo)).rc != 0:
            _explain(result, f"`undo` ended with {undone.rc}: {undone.stderr.strip()}")
        try:
            deploy(self._inventory, _deploy_of(mutation), limit)
            note(self._hosts, f"mutation {mutation.id}", time.monotonic() - broken_at)
            red = self._red_for_good(mutation, limit)
        except RerunError as error:
            _explain(result, f"not healed: {error}")
            return
        result.healed = not red
        if red:
            _explain(result, f"still red after healing: {', '.join(sorted(red))}")
        else:
            self._green.add((mutation.checks, limit))

    def _red(self, mutation: Mutation, limit: str) -> set[str]:
        return red_of(self._known.checks(files_of(mutation.checks), self._inventory, limit)) - self._waived

    def _red_for_good(self, mutation: Mutation, limit: str) -> set[str]:
        """What is still red when it is looked at again: what was broken or healed a moment ago may take its time."""
        red = self._red(mutation, limit)
        for _ in range(LOOKS - 1):
            if not red:
                break
            self._say(f"{mutation.id}: red {', '.join(sorted(red))}; look again")
            time.sleep(LOOK_AGAIN_SECONDS)
            self._hosts.memo.forget()
            red = self._red(mutation, limit)
        return red

    def counts(self) -> dict[str, int]:
        """Mutations by outcome."""
        counted = Counter(result.outcome for result in self.results)
        return {outcome: counted[outcome] for outcome in get_args(Outcome)}


def files_of(layer: str) -> list[Path]:
    """Where a layer's checks are: test_<layer>.py, or by subject in test_<layer>_<subject>.py. Raises RerunError."""
    found = sorted([*CHECKS.glob(f"test_{layer}.py"), *CHECKS.glob(f"test_{layer}_*.py")])
    if not found:
        raise RerunError(f"there is no {CHECKS}/test_{layer}.py")
    return found


def _deploy_of(mutation: Mutation) -> Path:
    return Path("deploys") / f"{mutation.layer}.py"


def _outcome(red: set[str], expect: frozenset[str]) -> Outcome:
    if not red:
        return "missed"
    return "detected" if red == expect else "imprecise"


def _explain(result: Result, why: str) -> None:
    result.explanation = f"{result.explanation}; {why}" if result.explanation else why

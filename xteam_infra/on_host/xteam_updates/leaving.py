"""A host that is about to be rebooted leads and serves nothing any more, so that nobody misses it."""

from collections.abc import Mapping, Sequence

from xteam_updates.shell import failure

# A step has its own limits; this one is for what none of them foresaw.
SECONDS = 900


def led(steps: Sequence[Mapping[str, str]]) -> list[str]:
    """Names of the steps that would hand something over now."""
    return [step["name"] for step in steps if step["leads"] and failure(step["leads"], SECONDS) is None]


def hand_over(steps: Sequence[Mapping[str, str]]) -> str | None:
    """Carry out each step, in this order. What kept one from ending well; then all are taken back.

    steps: each with a name and shell commands: `leave`; `stay`, which undoes it; `leads`, which must succeed for the
    step to be carried out, unless it is empty.
    """
    for number, step in enumerate(steps):
        if step["leads"] and failure(step["leads"], SECONDS) is not None:
            continue
        if failed := failure(step["leave"], SECONDS):
            go_on(steps[: number + 1])
            return f"{step['name']}: {failed}"
        print(f"{step['name']}: left", flush=True)
    return None


def go_on(steps: Sequence[Mapping[str, str]]) -> None:
    """Undo every step, the last one first."""
    for step in reversed(steps):
        if failed := failure(step["stay"], SECONDS):
            print(f"{step['name']}: not taken back: {failed}", flush=True)

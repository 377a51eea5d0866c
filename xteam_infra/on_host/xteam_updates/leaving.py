"""A host that is about to be rebooted leads and serves nothing any more, so that nobody misses it."""

import subprocess
from collections.abc import Mapping, Sequence

# A step has its own limits; this one is for what none of them foresaw.
SECONDS = 900


def led(steps: Sequence[Mapping[str, str]]) -> list[str]:
    """Names of the steps that would hand something over now."""
    return [step["name"] for step in steps if step["leads"] and _run(step["leads"]) is None]


def hand_over(steps: Sequence[Mapping[str, str]]) -> str | None:
    """Carry out each step, in this order. What kept one from ending well; then all are taken back.

    steps: each with a name and shell commands: `leave`; `stay`, which undoes it; `leads`, which must succeed for the
    step to be carried out, unless it is empty.
    """
    for number, step in enumerate(steps):
        if step["leads"] and _run(step["leads"]) is not None:
            continue
        if failed := _run(step["leave"]):
            go_on(steps[: number + 1])
            return f"{step['name']}: {failed}"
        print(f"{step['name']}: left", flush=True)
    return None


def go_on(steps: Sequence[Mapping[str, str]]) -> None:
    """Undo every step, the last one first."""
    for step in reversed(steps):
        if failed := _run(step["stay"]):
            print(f"{step['name']}: not taken back: {failed}", flush=True)


def _run(command: str) -> str | None:
    """The last line a failing command printed; None when it succeeds."""
    try:
        done = subprocess.run(["sh", "-c", command], capture_output=True, text=True, timeout=SECONDS, check=False)
    except subprocess.TimeoutExpired:
        return f"not done within {SECONDS} s"
    lines = (done.stdout + done.stderr).strip().splitlines()
    return None if done.returncode == 0 else (lines[-1][:300] if lines else f"status {done.returncode}")

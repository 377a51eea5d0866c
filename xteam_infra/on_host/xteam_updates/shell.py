"""Shell commands that the deploy gives, and why one failed."""

import subprocess


def failure(command: str, seconds: int) -> str | None:
    """The last line a failing command printed, or that it took too long; None when it succeeds."""
    try:
        done = subprocess.run(["sh", "-c", command], capture_output=True, text=True, timeout=seconds, check=False)
    except subprocess.TimeoutExpired:
        return f"not done within {seconds} s"
    lines = (done.stdout + done.stderr).strip().splitlines()
    return None if done.returncode == 0 else (lines[-1][:300] if lines else f"status {done.returncode}")

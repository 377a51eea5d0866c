"""How long ago something was. A date that lies ahead would be recent for ever: it is a fault, not an age."""

import time

# Clocks of hosts and of the verifier may differ so much: preflight refuses more.
SLACK_SECONDS = 60


def seconds_since(moment: float) -> float:
    """Seconds from a moment (since the epoch) until now. Fails when it lies ahead."""
    age = time.time() - moment
    assert age > -SLACK_SECONDS, f"a date lies {-age:.0f} s ahead"
    return age

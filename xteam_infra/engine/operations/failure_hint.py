"""What to do when a run fails half-way, said once, beside the error."""

from typing import Any

from pyinfra import logger, state
from pyinfra.api.state import BaseStateCallback


class _FailureHint(BaseStateCallback):
    def __init__(self, text: str) -> None:
        self.text = text
        self.given = False

    # pyinfra's handlers are classes with static methods; one that knows its text is called in the same way.
    def operation_host_error(self, *_args: Any, **_more: Any) -> None:  # type: ignore[override] # pyinfra's is static
        if not self.given:
            self.given = True
            logger.error("--> %s", self.text)


def hint_on_failure(text: str) -> None:
    """Say `text` when an operation of this run fails. Called for every host, registered once."""
    if not any(isinstance(one, _FailureHint) and one.text == text for one in state.callback_handlers):
        state.add_callback_handler(_FailureHint(text))

"""Standard input of a fact that holds a secret."""


class HiddenInput(list[str]):
    """Lines for a fact's `_stdin`. pyinfra's -v prints the arguments of every fact, so this one does not tell."""

    def __init__(self, text: str):
        super().__init__([text])

    def __repr__(self) -> str:
        return "<secret>"

    __str__ = __repr__

"""mypy's view of a call of an operation: its own arguments first, pyinfra's (name, _if, _timeout) by keyword.

pyinfra types an operation so that its own arguments come before those of the function, which Python's typing cannot say
otherwise; the decorator takes them by keyword alone. `name` is required: an operation without one prints its arguments.
"""

from collections.abc import Callable

from mypy.nodes import ARG_NAMED, ARG_NAMED_OPT
from mypy.plugin import MethodSigContext, Plugin
from mypy.types import FunctionLike

CALL = "pyinfra.api.arguments_typed.PyinfraOperation.__call__"


def _signature(context: MethodSigContext) -> FunctionLike:
    found = context.default_signature
    names = list(found.arg_names)
    last = names.index("_serial") + 1  # of pyinfra's own; the function's follow
    kinds = [ARG_NAMED if name == "name" else ARG_NAMED_OPT for name in names[:last]]
    return found.copy_modified(
        arg_types=[*found.arg_types[last:], *found.arg_types[:last]],
        arg_kinds=[*found.arg_kinds[last:], *kinds],
        arg_names=[*names[last:], *names[:last]],
    )


class Operations(Plugin):
    def get_method_signature_hook(self, fullname: str) -> Callable[[MethodSigContext], FunctionLike] | None:
        return _signature if fullname == CALL else None


def plugin(version: str) -> type[Plugin]:
    """What mypy asks for."""
    return Operations

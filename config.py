"""Read by pyinfra before the inventory: one that is not there would run on no host and look like a success."""

from pathlib import Path as _Path

import click as _click

from xteam_infra.errors import Problem as _Problem
from xteam_infra.errors import SettingsError as _SettingsError
from xteam_infra.secrets.mask import mask_output as _mask_output

_mask_output()

_context = _click.get_current_context(silent=True)
_named = str(_context.params.get("inventory", "")) if _context else ""
if _named.endswith(".py") and "," not in _named and not _Path(_named).exists():
    _there = ", ".join(sorted(str(path) for path in _Path("inventories").glob("[!_]*.py")))
    raise _SettingsError([_Problem(_named, "inventory", "there is no such file", _there)])

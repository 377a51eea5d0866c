"""Shell conditions rendered from the plan."""

from collections.abc import Mapping
from shlex import quote


def sysctls_hold(sysctls: Mapping[str, str]) -> str:
    """True when every kernel setting has its value; settings the host can't change (a container's) don't count."""
    tests = []
    for key, value in sysctls.items():
        path = f"/proc/sys/{key.replace('.', '/')}"
        tests.append(f'{{ [ ! -w {path} ] || [ "$(tr "\\t" " " < {path})" = {quote(value)} ]; }}')
    return " && ".join(tests) or "true"

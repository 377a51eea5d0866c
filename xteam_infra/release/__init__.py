"""Turns an application's source into one archive that runs on any host: see build().

The archive holds `site-packages/`, the application's wheel and all its locked dependencies as ready-made wheels. It is
named after what it is made of, so the same input is never built twice and a host can tell whether it has it.
"""

from xteam_infra.release.build import Release, build
from xteam_infra.release.errors import ReleaseError
from xteam_infra.release.source import PYTHON_VERSION

__all__ = ["PYTHON_VERSION", "Release", "ReleaseError", "build"]

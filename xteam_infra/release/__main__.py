"""Build a release of an application: python -m xteam_infra.release SOURCE

SOURCE is a directory with pyproject.toml and requirements.lock, a wheel with requirements.lock beside it or in its
package, NAME==VERSION of a package index, or a git address with a ref: https://git.example.com/xteam.git@v1.2.3 (add
#subdirectory=PATH if it is not at the top).
"""

import argparse
import sys
from pathlib import Path

from xteam_infra.release import ReleaseError, build
from xteam_infra.release.build import OUT, PLATFORM
from xteam_infra.release.source import PYTHON_VERSION


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m xteam_infra.release",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("source", help="directory, wheel, NAME==VERSION or git address with @ref")
    parser.add_argument("--python-version", default=PYTHON_VERSION, help="of the hosts (default: %(default)s)")
    parser.add_argument("--platform", default=PLATFORM, help="of the hosts, in uv's words (default: %(default)s)")
    parser.add_argument("--out", type=Path, default=OUT, help="where archives are kept (default: %(default)s)")
    arguments = parser.parse_args()
    try:
        release = build(arguments.source, arguments.python_version, arguments.platform, arguments.out)
    except ReleaseError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print(f"{release.id} {release.archive} sha256:{release.sha256}")
    return 0


if __name__ == "__main__":
    sys.exit(main())

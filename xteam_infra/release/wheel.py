"""What a wheel says about itself."""

import zipfile
from email.parser import HeaderParser
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from xteam_infra.release.errors import ReleaseError


def contents(wheel: Path) -> list[tuple[str, bytes]]:
    """The names and bytes in the wheel, in order of name. Raises ReleaseError when it is not a wheel."""
    try:
        with zipfile.ZipFile(wheel) as opened:
            return [(name, opened.read(name)) for name in sorted(opened.namelist())]
    except zipfile.BadZipFile:
        raise ReleaseError(f"{wheel} is not a wheel: not a zip file") from None


def missing_dependencies(wheel: Path, site_packages: Path, python_version: str) -> list[str]:
    """The wheel's own requirements that `site_packages` does not meet: each as the wheel names it."""
    metadata = next((data for name, data in contents(wheel) if name.endswith(".dist-info/METADATA")), b"")
    required = HeaderParser().parsestr(metadata.decode()).get_all("Requires-Dist") or []
    installed: dict[str, str] = {}
    for directory in site_packages.glob("*.dist-info"):
        name, _, version = directory.name.removesuffix(".dist-info").rpartition("-")
        installed[canonicalize_name(name)] = version
    host: dict[str, str | set[str]] = {
        "python_version": python_version,
        "sys_platform": "linux",
        "platform_system": "Linux",
        "extra": "",
    }
    missing = []
    for requirement in map(Requirement, required):
        if requirement.marker and not requirement.marker.evaluate(host):
            continue
        found = installed.get(canonicalize_name(requirement.name))
        if found is None or not requirement.specifier.contains(found, prereleases=True):
            missing.append(str(requirement))
    return missing

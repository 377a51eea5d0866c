"""The packages of xteam_infra/on_host/, which are copied to hosts as they are."""

from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path

from xteam_infra import on_host
from xteam_infra.engine.operations import HostFile

# Where commands of root look for theirs.
MODULES = "/usr/local/lib/xteam"


def carried(package: str, directory: str) -> Iterator[HostFile]:
    """The modules and templates of one package, below `directory` on the host."""
    for path in sorted((Path(str(files(on_host))) / package).iterdir()):
        if path.suffix in (".py", ".j2"):
            yield HostFile(f"{directory}/{package}/{path.name}", text=path.read_text())

"""The programs of xteam_infra/on_host/, which are copied to hosts as they are.

A package becomes a command by a launcher of three lines; a plain shell file of bin/ is one already. What differs from
host to host is not written into them: packages read a JSON file, shell files `/etc/xteam/programs/<layer>.env`.
"""

import shlex
from collections.abc import Iterator, Mapping
from importlib.resources import files
from pathlib import Path

from xteam_infra import on_host
from xteam_infra.engine.operations import HostFile

# Where commands of root look for theirs.
MODULES = "/usr/local/lib/xteam"
COMMANDS = "/usr/local/sbin"
SETTINGS = "/etc/xteam/programs"
# How every command of root begins: nothing of its caller's environment.
CLEAN = "#!/usr/bin/env -S -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C.UTF-8"


def package_files(package: str, directory: str = MODULES) -> Iterator[HostFile]:
    """The modules and templates of one package, below `directory` on the host."""
    for path in sorted((Path(str(files(on_host))) / package).iterdir()):
        if path.suffix in (".py", ".j2"):
            yield HostFile(f"{directory}/{package}/{path.name}", text=path.read_text())


def module_command(name: str, module: str, mode: str = "755", keeps: tuple[str, ...] = ()) -> HostFile:
    """What starts a module of a package for root, which imports nothing from where it is called.

    keeps: variables that it gets from its caller, besides its words.
    """
    kept = "".join(f" {one}=${{{one}}}" for one in keeps)
    lines = [
        f"{CLEAN}{kept} /bin/sh",
        f"# --help says how it is used. Managed by xteam-infra. The modules: {MODULES}/{module.partition('.')[0]}",
        f'PYTHONPATH={MODULES} exec /usr/bin/python3 -P -s -m {module} "$@"',
    ]
    return HostFile(f"{COMMANDS}/{name}", text="\n".join(lines), mode=mode)


def shell_command(name: str, mode: str = "755", directory: str = COMMANDS) -> HostFile:
    """A command that is a plain shell file, from bin/."""
    text = (Path(str(files(on_host))) / "bin" / f"{name}.sh").read_text()
    shell = text.partition("\n")[0].rpartition("/")[2]
    return HostFile(f"{directory}/{name}", text=text, mode=mode, validate=f"{shell} -n {{}}")


def shell_settings(layer: str, values: Mapping[str, object]) -> HostFile:
    """What the shell commands of a layer read: NAME=value lines, quoted. Everybody may read it: no secrets in it."""
    lines = [f"{name}={shlex.quote(str(value))}" for name, value in values.items()]
    text = "\n".join(["# Settings of this host's xteam commands. Managed by xteam-infra.", *lines])
    return HostFile(f"{SETTINGS}/{layer}.env", text=text, validate="sh -n {}")

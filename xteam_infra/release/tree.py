"""The directory that goes into an archive, and the archive: the same bytes whenever and wherever they are made."""

import csv
import gzip
import io
import os
import shutil
import tarfile
from pathlib import Path

# What an installer writes down about the machine it ran on.
_LOCAL = ("direct_url.json", "uv_cache.json", "INSTALLER", "REQUESTED")


def make_portable(site_packages: Path) -> None:
    """Remove from a freshly installed site-packages what belongs to this machine: scripts with its paths, and notes.

    The wheels' RECORDs are kept true, so that the host can still be checked against them."""
    for scripts in ("bin", "share"):
        shutil.rmtree(site_packages / scripts, ignore_errors=True)
    (site_packages / ".lock").unlink(missing_ok=True)
    for record in site_packages.glob("*.dist-info/RECORD"):
        for name in _LOCAL:
            record.with_name(name).unlink(missing_ok=True)
        rows = list(csv.reader(record.read_text().splitlines()))
        kept = sorted(row for row in rows if row and (site_packages / row[0]).is_file())
        with record.open("w", newline="") as file:
            csv.writer(file, lineterminator="\n").writerows(kept)


def write_archive(directory: Path, archive: Path) -> None:
    """Pack `directory` as a gzipped tar whose only top entry is the directory's name; appears whole or not at all."""
    partial = archive.with_name(f"{archive.name}.{os.getpid()}.partial")
    try:
        with (
            partial.open("wb") as raw,
            gzip.GzipFile(filename="", mode="wb", fileobj=raw, mtime=0, compresslevel=6) as packed,
            tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as tar,
        ):
            for path in [directory, *sorted(directory.rglob("*"))]:
                _add(tar, path, str(path.relative_to(directory.parent)))
        partial.replace(archive)
    finally:
        partial.unlink(missing_ok=True)


def _add(tar: tarfile.TarFile, path: Path, name: str) -> None:
    entry = tarfile.TarInfo(name)  # root's, from 1970, so that only names and contents count
    if path.is_dir():
        entry.type, entry.mode = tarfile.DIRTYPE, 0o755
        tar.addfile(entry)
        return
    content = path.read_bytes()
    entry.size = len(content)
    entry.mode = 0o755 if path.stat().st_mode & 0o100 else 0o644
    tar.addfile(entry, io.BytesIO(content))

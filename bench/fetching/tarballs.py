"""Tar archives, unpacked into one folder and nowhere else."""

from __future__ import annotations

import gzip
import shutil
import tarfile
import zlib
from collections.abc import Iterator
from pathlib import Path, PureWindowsPath

from tqdm import tqdm

from bench.errors import ConfigError, DataError
from bench.fetching.archives import MOST_BYTES, MOST_FILES

_BLOCK = 2**20


def unpack_tar(
    archive: Path, folder: Path, *, most_files: int = MOST_FILES, most_bytes: int = MOST_BYTES
) -> Path:
    """Unpack a .tar, .tar.gz or .tgz into a new `folder`, which is there whole or not at all.

    Owners, permissions and times are not kept.

    Raises:
        ConfigError: the folder is there already.
        DataError: a corrupt archive, a name that leads out of the folder, a link or anything else
            that is neither file nor folder, or more files or bytes than allowed.
        OSError: the disk is full or cannot be written.
    """
    if folder.exists():
        raise ConfigError(f"{folder}: is there already; remove it to unpack {archive.name} again")
    partial = folder.with_name(f"{folder.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    try:
        partial.mkdir(parents=True)
        with tarfile.open(archive, "r:*") as opened:
            for entry in _checked(archive, opened, most_files, most_bytes):
                _extract(opened, entry, partial / entry.name)
            # The checksum of a compressed archive stands behind what tarfile reads.
            while opened.fileobj is not None and opened.fileobj.read(_BLOCK):
                pass
        partial.rename(folder)
    except _CORRUPT as error:
        raise DataError(f"{archive}: corrupt tar archive: {error}") from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return folder


_CORRUPT = (
    tarfile.TarError,
    zlib.error,
    gzip.BadGzipFile,
    EOFError,
    FileExistsError,
    NotADirectoryError,
    IsADirectoryError,
)


def _checked(
    archive: Path, opened: tarfile.TarFile, most_files: int, most_bytes: int
) -> Iterator[tarfile.TarInfo]:
    """Each entry as it comes by: a compressed tar is read once. Raises `DataError`."""
    size = 0
    entries = tqdm(opened, desc=f"unpack {archive.name}", unit="file", disable=None)
    for count, entry in enumerate(entries, start=1):
        size += entry.size
        if count > most_files or size > most_bytes:
            raise DataError(
                f"{archive}: more than the {most_files} files or {most_bytes} bytes allowed"
            )
        name = PureWindowsPath(entry.name)  # knows every way to leave a folder
        if name.anchor or ".." in name.parts:
            raise DataError(f"{archive}: {entry.name!r} leads out of the folder")
        if not entry.isreg() and not entry.isdir():
            raise DataError(f"{archive}: {entry.name!r} is neither file nor folder")
        yield entry


def _extract(opened: tarfile.TarFile, entry: tarfile.TarInfo, path: Path) -> None:
    if entry.isdir():
        path.mkdir(parents=True, exist_ok=True)
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    source = opened.extractfile(entry)
    assert source is not None  # it is for what is neither file nor link
    with source, path.open("xb") as file:
        shutil.copyfileobj(source, file, _BLOCK)

"""Zip archives, unpacked into one folder and nowhere else."""

from __future__ import annotations

import os
import shutil
import stat
import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path, PureWindowsPath

from tqdm import tqdm

from bench.errors import ConfigError, DataError

MOST_FILES, MOST_BYTES = 500_000, 64 * 2**30
"""What an archive may unpack to unless the caller knows better."""

_BLOCK = 2**20
_LONGEST_LINK = 4096


def unpack(
    archive: Path, folder: Path, *, most_files: int = MOST_FILES, most_bytes: int = MOST_BYTES
) -> Path:
    """Unpack a zip into a new `folder`, which is there whole or not at all.

    A link is kept where it leads to a file or folder of the archive.

    Raises:
        ConfigError: the folder is there already.
        DataError: a corrupt or encrypted archive, a name or link that leads out of the folder,
            something that is neither file, folder nor link, or more files or bytes than allowed.
        OSError: the disk is full or cannot be written.
    """
    if folder.exists():
        raise ConfigError(f"{folder}: is there already; remove it to unpack {archive.name} again")
    partial = folder.with_name(f"{folder.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    try:
        with zipfile.ZipFile(archive) as opened:
            entries = opened.infolist()
            _refuse_bad(archive, entries, most_files, most_bytes)
            _extract(archive, opened, entries, partial)
        partial.rename(folder)
    except (zipfile.BadZipFile, zlib.error, EOFError, FileExistsError, NotADirectoryError) as error:
        raise DataError(f"{archive}: corrupt zip archive: {error}") from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return folder


def _refuse_bad(
    archive: Path, entries: Sequence[zipfile.ZipInfo], most_files: int, most_bytes: int
) -> None:
    """Raise `DataError` for whatever can be told from the archive's directory."""
    size = sum(entry.file_size for entry in entries)
    if len(entries) > most_files or size > most_bytes:
        raise DataError(
            f"{archive}: {len(entries)} files of {size} bytes together, and {most_files} files of "
            f"{most_bytes} bytes are allowed"
        )
    for entry in entries:
        name = PureWindowsPath(entry.filename)  # knows every way to leave a folder
        kind = stat.S_IFMT(entry.external_attr >> 16)
        if name.anchor or ".." in name.parts:
            raise DataError(f"{archive}: {entry.filename!r} leads out of the folder")
        if kind not in (0, stat.S_IFREG, stat.S_IFDIR, stat.S_IFLNK):
            raise DataError(f"{archive}: {entry.filename!r} is neither file, folder nor link")
        if entry.flag_bits & 1:
            raise DataError(f"{archive}: {entry.filename!r} is encrypted")
        if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise DataError(f"{archive}: {entry.filename!r} is packed in an unusual way")


def _extract(
    archive: Path, opened: zipfile.ZipFile, entries: Sequence[zipfile.ZipInfo], folder: Path
) -> None:
    """Write files and folders, and links last, so that nothing is ever written through one."""
    folder.mkdir(parents=True)
    links = {}
    for entry in tqdm(entries, desc=f"unpack {archive.name}", unit="file", disable=None):
        path = folder / entry.filename
        if entry.is_dir():
            path.mkdir(parents=True, exist_ok=True)
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        with opened.open(entry) as source:
            if stat.S_ISLNK(entry.external_attr >> 16):
                links[path] = source.read(_LONGEST_LINK)
                continue
            with path.open("xb") as file:
                shutil.copyfileobj(source, file, _BLOCK)
    # All are judged before the first is made: none can lead astray by way of another.
    targets = {path: _target(archive, folder, path, content) for path, content in links.items()}
    for path, target in targets.items():
        path.symlink_to(os.path.relpath(target, path.parent))


def _target(archive: Path, folder: Path, path: Path, content: bytes) -> Path:
    """The file or folder a link leads to. Raises `DataError` unless it is one of the archive's."""
    target = Path(os.path.normpath(path.parent / os.fsdecode(content)))
    if not target.is_relative_to(folder) or path.is_relative_to(target) or not target.exists():
        raise DataError(
            f"{archive}: the link {path.relative_to(folder)} leads to {os.fsdecode(content)!r}, "
            "which is no file or folder of the archive"
        )
    return target

"""From the address of an archive to the folder that an adapter's option `root` names."""

from __future__ import annotations

import shutil
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.errors import DataError
from bench.fetching.archives import unpack
from bench.fetching.downloads import fetch
from bench.fetching.tarballs import unpack_tar


def install(url: str, archive: Path, folder: Path, marker: str) -> None:
    """Download an archive and unpack what lies around `marker` to `folder`; say what was done.

    A `folder` that is there is left alone. The archive and its checksum stay beside it.

    Args:
        marker: path of a file or folder below the one that becomes `folder`, whatever other
            folders are packed around that.

    Raises:
        ConfigError, UnavailableError, DataError, OSError: as `fetch` and `unpack`; `DataError` also
            where the archive holds no `marker`.
    """
    if folder.exists():
        print(f"{folder}: is there already; remove it to unpack it again")
        return
    with unpacked(url, archive) as content:
        for found in around(archive, content, marker)[:1]:
            folder.parent.mkdir(parents=True, exist_ok=True)
            found.rename(folder)
    print(f"{folder}: unpacked; set the dataset's option root to it")


@contextmanager
def unpacked(url: str, archive: Path) -> Iterator[Path]:
    """What a downloaded zip or tar holds, in a folder that is gone after the block."""
    fetched = fetch(url, archive)
    trust = "noted and trusted as the first seen" if fetched.first else "as at the first download"
    print(f"{archive}: SHA-256 {fetched.sha256}, {trust}")
    folder = archive.with_name(f".{archive.name}.unpacked")
    shutil.rmtree(folder, ignore_errors=True)
    try:
        yield (unpack if zipfile.is_zipfile(archive) else unpack_tar)(archive, folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def around(archive: Path, content: Path, marker: str) -> list[Path]:
    """The folders below which `marker` lies, the outermost first. Raises `DataError` if none."""
    depth = len(Path(marker).parts) - 1
    found = [path.parents[depth] for path in content.rglob(marker)]
    if not found:
        raise DataError(f"{archive}: holds no {marker}; is it the right archive?")
    return sorted(found, key=lambda path: (len(path.parts), path))

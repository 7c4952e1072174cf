"""A digest of files by their content, for the fingerprint of a dataset that lies in a folder."""

import hashlib
from collections.abc import Iterable
from functools import cache
from pathlib import Path

from bench.errors import DataError


def digest(root: Path, paths: Iterable[Path]) -> str:
    """Sixteen hexadecimal digits that change with any file's name under `root` or any byte of it.

    A file is read once per process unless its size or time of change differs.

    Raises:
        DataError: naming the file that cannot be read.
    """
    total = hashlib.sha256()
    for path in sorted(paths):
        try:
            stamp = path.stat()
            content = _content(path, stamp.st_size, stamp.st_mtime_ns)
        except OSError as error:
            raise DataError(f"{path}: cannot be read: {error.strerror}") from error
        total.update(f"{path.relative_to(root).as_posix()}\0{content}\n".encode())
    return total.hexdigest()[:16]


@cache
def _content(path: Path, size: int, changed: int) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()

"""Is the data where it should be? Errors that say what is missing and where to get it."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from bench.errors import DataError


def find_folder(root: Path, inner: Iterable[str], marker: str, advice: str) -> Path:
    """`root`, or the first of the folders `inner` in it, that has something named `marker`.

    Args:
        marker: a glob pattern relative to the folder.
        advice: where the data is to be had, for the message.

    Raises:
        DataError: none has it.
    """
    for folder in (root, *(root / name for name in inner)):
        if next(folder.glob(marker), None) is not None:
            return folder
    what = "no such folder" if not root.is_dir() else f"holds no {marker}"
    raise DataError(f"{root}: {what}; {advice}")


def require(files: Iterable[Path], advice: str) -> None:
    """Raise `DataError` naming every one of the files that is missing."""
    missing = [str(path) for path in files if not path.is_file()]
    if missing:
        listed = "\n  ".join(missing)
        raise DataError(f"{len(missing)} files are missing; {advice}:\n  {listed}")

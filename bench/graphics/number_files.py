"""Tables of numbers in text files, as calibrations are published."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bench.errors import DataError


def read_numbers(path: Path, rows: int, columns: int) -> NDArray[np.float64]:
    """The `rows`×`columns` finite numbers of a file, blanks between them; empty lines are skipped.

    Raises:
        DataError: naming file and line, where it is missing, no text, or holds anything else.
    """
    try:
        lines = path.read_text(encoding="ascii").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: missing, or no text: {error}") from error
    filled = [(number, line) for number, line in enumerate(lines, start=1) if line.strip()]
    if len(filled) != rows:
        raise DataError(f"{path}: {len(filled)} lines of numbers instead of {rows}")
    return np.array([_row(f"{path}:{number}", line, columns) for number, line in filled])


def _row(where: str, line: str, columns: int) -> list[float]:
    try:
        values = [float(word) for word in line.split()]
    except ValueError as error:
        raise DataError(f"{where}: {error}") from error
    if len(values) != columns or not np.isfinite(values).all():
        raise DataError(f"{where}: {line.strip()!r} is not {columns} finite numbers")
    return values

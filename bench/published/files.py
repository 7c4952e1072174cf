"""The .csv of published values, and what every value is held against."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import MISSING, asdict, fields
from datetime import date
from pathlib import Path
from typing import Any

from bench.api import PublishedValue, Score
from bench.errors import DataError
from bench.plugins import nearest, registry
from bench.protocol import written
from bench.protocol.named import PROTOCOLS
from bench.store import replace_text

COLUMNS = tuple(field.name for field in fields(PublishedValue))
REQUIRED = tuple(field.name for field in fields(PublishedValue) if field.default is MISSING)


def read(file: Path) -> list[PublishedValue]:
    """The values of a .csv (UTF-8) whose first line names columns of `COLUMNS`, in any order.

    Raises:
        DataError: naming file, line and column; nothing of a malformed file is returned.
    """
    try:
        text = file.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{file}: cannot be read: {error}") from error
    lines = csv.reader(io.StringIO(text, newline=""), strict=True)
    found: dict[tuple[str, ...], int] = {}
    values = []
    try:
        names = _header(next(lines, []), file)
        for cells in lines:
            if not cells:
                continue
            where = f"{file}:{lines.line_num}"
            value = _value(dict(_paired(names, cells, where)), where)
            first = found.setdefault(place(value), lines.line_num)
            if first != lines.line_num:
                raise DataError(f"{where}: gives what line {first} gives; keep one of them")
            values.append(value)
    except csv.Error as error:
        raise DataError(f"{file}:{lines.line_num}: {error}") from error
    return values


def read_all(files: Iterable[Path]) -> list[PublishedValue]:
    """The values of several files. Raises `DataError` as `read` does."""
    return [value for file in files for value in read(file)]


def write(values: Iterable[PublishedValue], file: Path) -> Path:
    """Write what `read` reads, every number in full. Raises `StoreError`."""
    out = io.StringIO(newline="")
    lines = csv.writer(out, lineterminator="\n")
    lines.writerow(COLUMNS)
    for value in values:
        lines.writerow([_written(entry) for entry in asdict(value).values()])
    replace_text(file, out.getvalue())
    return file


def check(value: PublishedValue, where: str) -> None:
    """Hold a value against the installed metrics and protocols.

    Raises:
        DataError: beginning with `where`, naming the column.
    """
    for name in REQUIRED:
        if getattr(value, name) == "":
            raise DataError(f"{where}, column {name}: must not be empty")
    scores = _scores()
    if value.metric not in scores:
        text = f"unknown metric {value.metric!r}{nearest(value.metric, scores)}"
        raise DataError(f"{where}, column metric: {text}")
    if value.protocol not in PROTOCOLS:
        text = f"unknown protocol {value.protocol!r}{nearest(value.protocol, PROTOCOLS)}"
        raise DataError(f"{where}, column protocol: {text}")
    columns = dict(PROTOCOLS[value.protocol].comparisons(value.metric))
    if value.column not in columns:
        text = f"{value.protocol} has no column {written(value.metric, value.column)!r}"
        valid = ", ".join(repr(name) for name in columns) or "none"
        raise DataError(f"{where}, column column: {text}; valid: {valid}")
    _check_numbers(value, scores[value.metric], where)


def place(value: PublishedValue) -> tuple[str, ...]:
    """What may have one value only."""
    head = (value.method, value.dataset, value.split, value.protocol)
    return (*head, value.metric, value.column, value.scene)


def _scores() -> dict[str, Score]:
    return {score.id: score for card in registry().metrics.values() for score in card.scores}


def _check_numbers(value: PublishedValue, score: Score, where: str) -> None:
    low, high = score.bounds
    if not math.isfinite(value.value):
        raise DataError(f"{where}, column value: {value.value} is not a finite number")
    if not ((low is None or value.value >= low) and (high is None or value.value <= high)):
        raise DataError(f"{where}, column value: {value.value:g} leaves [{low}, {high}]")
    if value.std is not None and not 0 <= value.std < math.inf:
        raise DataError(f"{where}, column std: {value.std:g} is no standard deviation")
    if value.n is not None and value.n < 1:
        raise DataError(f"{where}, column n: {value.n} is no count")


def _header(names: list[str], file: Path) -> list[str]:
    for name in names:
        if name not in COLUMNS:
            raise DataError(f"{file}:1: unknown column {name!r}{nearest(name, COLUMNS)}")
        if names.count(name) > 1:
            raise DataError(f"{file}:1: column {name!r} comes twice")
    for name in REQUIRED:
        if name not in names:
            raise DataError(f"{file}:1: column {name!r} is missing")
    return names


def _paired(names: list[str], cells: list[str], where: str) -> Iterator[tuple[str, str]]:
    if len(cells) != len(names):
        raise DataError(f"{where}: has {len(cells)} cells under {len(names)} columns")
    # An empty cell is a default, as an absent column is.
    return ((name, cell) for name, cell in zip(names, cells, strict=True) if cell)


def _value(cells: Mapping[str, str], where: str) -> PublishedValue:
    for name in REQUIRED:
        if name not in cells:
            raise DataError(f"{where}, column {name}: must not be empty")
    typed: dict[str, Any] = dict(cells)
    for name, parse in _PARSERS.items():
        if name in cells:
            try:
                typed[name] = parse(cells[name])
            except ValueError as error:
                raise DataError(f"{where}, column {name}: {error}") from error
    value = PublishedValue(**typed)
    check(value, where)
    return value


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError as error:
        raise ValueError(f"{text!r} is not a number") from error


def _whole(text: str) -> int:
    try:
        return int(text)
    except ValueError as error:
        raise ValueError(f"{text!r} is not a whole number") from error


def _flag(text: str) -> bool:
    if text not in ("true", "false"):
        raise ValueError(f"{text!r} is neither true nor false")
    return text == "true"


def _day(text: str) -> str:
    try:
        return date.fromisoformat(text).isoformat()
    except ValueError as error:
        raise ValueError(f"{text!r} is no date of the form 2024-11-30") from error


_PARSERS: Mapping[str, Callable[[str], Any]] = {
    "value": _number,
    "std": _number,
    "n": _whole,
    "retrieved": _day,
    "verified": _flag,
}


def _written(entry: Any) -> str:
    if isinstance(entry, bool):
        return "true" if entry else "false"
    return "" if entry is None else str(entry)

"""The judgements of one photo: IIW's JSON, checked as far as WHDR reads it (specs/datasets.md §5).

    intrinsic_points       [{"id", "x", "y" in [0, 1], "opaque", …}, …]
    intrinsic_comparisons  [{"point1", "point2", "darker" "1" | "2" | "E", "darker_score", …}, …]

A comparison of points that are not both opaque, or without a verdict, counts for nothing; its
score may be null.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bench.errors import DataError

_LARGEST = 1e9

VERDICTS = ("1", "2", "E")
"""Which point is darker, or that they are equal."""


def read_judgements(path: Path) -> Mapping[str, Any]:
    """The parsed file, every field as it is stored.

    Raises:
        DataError: missing or malformed file, or a field that is missing or of another kind; the
            message names file and key.
    """
    try:
        body = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise DataError(f"{path}: missing or malformed JSON: {error}") from error
    if not isinstance(body, dict):
        raise DataError(f"{path}: holds a {type(body).__name__} instead of an object")
    opaque: dict[Any, bool] = {}
    for where, point in _entries(path, body, "intrinsic_points"):
        name = _field(where, point, "id", int)
        if name in opaque:
            raise DataError(f"{where}.id: {name} comes twice")
        for axis in ("x", "y"):
            if not 0 <= _number(where, point, axis) <= 1:
                raise DataError(f"{where}.{axis}: {point[axis]!r} is not between 0 and 1")
        opaque[name] = bool(_field(where, point, "opaque", bool | None))
    for where, comparison in _entries(path, body, "intrinsic_comparisons"):
        _check_comparison(where, comparison, opaque)
    return body


def _check_comparison(where: str, comparison: Any, opaque: Mapping[Any, bool]) -> None:
    names = [_field(where, comparison, key, int) for key in ("point1", "point2")]
    for key, name in zip(("point1", "point2"), names, strict=True):
        if name not in opaque:
            raise DataError(f"{where}.{key}: {name} is the id of no point")
    verdict = _field(where, comparison, "darker", str | None)
    if verdict in VERDICTS and all(opaque[name] for name in names):
        if _number(where, comparison, "darker_score") <= 0:
            raise DataError(f"{where}.darker_score: {comparison['darker_score']!r} is no weight")


def _entries(path: Path, body: Mapping[str, Any], key: str) -> list[tuple[str, Any]]:
    """Each object of a list, and the words that say where it stands."""
    found = body.get(key)
    if not isinstance(found, list):
        raise DataError(f"{path}: key {key!r} is missing, or no list")
    entries = [(f"{path}: {key}[{index}]", entry) for index, entry in enumerate(found)]
    for where, entry in entries:
        if not isinstance(entry, dict):
            raise DataError(f"{where}: is a {type(entry).__name__} instead of an object")
    return entries


def _field(where: str, entry: Mapping[str, Any], key: str, kind: Any) -> Any:
    if key not in entry:
        raise DataError(f"{where}.{key}: is missing")
    value = entry[key]
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        raise DataError(f"{where}.{key}: {value!r} is of the wrong kind")
    return value


def _number(where: str, entry: Mapping[str, Any], key: str) -> float:
    value = _field(where, entry, key, int | float)
    if not -_LARGEST < value < _LARGEST:  # NaN, ∞ and integers beyond any float are not
        raise DataError(f"{where}.{key}: {value!r} is no finite number of reasonable size")
    return float(value)

"""Predictions against their card, and against one another."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import fields, is_dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.api import MethodCard, Query, Sample
from bench.conformance import Finding
from bench.errors import InvalidValueError
from bench.quantities import VOCABULARY, Camera, validate

_SHOWN = 4


def against_card(
    card: MethodCard, samples: Sequence[Sample], predictions: Sequence[object]
) -> list[Finding]:
    """Whether each prediction holds what the card promises, and only that, with valid values."""
    for sample, prediction in zip(samples, predictions, strict=True):
        if not isinstance(prediction, Mapping):
            text = f"{_name(sample)}: a {type(prediction).__name__} where a mapping belongs"
            return [Finding("promised quantities", False, text)]
    pairs: list[tuple[Sample, Mapping[Any, Any]]] = [
        (sample, prediction)
        for sample, prediction in zip(samples, predictions, strict=True)
        if isinstance(prediction, Mapping)
    ]
    return [
        _finding("promised quantities", _missing(pairs, card.predicts)),
        _finding("nothing undeclared", _undeclared(pairs, card.predicts)),
        _finding("queries answered", _unanswered(pairs)),
        _finding("valid values", _invalid(pairs)),
        _finding("aspect ratio", _distorted(pairs)),
        Finding("resolution", True, _listed(_resized(pairs)) or "that of the input"),
    ]


def differences(
    first: Sequence[Any], second: Sequence[Any], tolerance: float = 0.0
) -> Iterator[str]:
    """Where two runs' predictions differ by more than `tolerance`, absolute plus relative."""
    for index, (one, other) in enumerate(zip(first, second, strict=True)):
        for name in sorted(one.keys() | other.keys(), key=str):
            if name not in one or name not in other:
                yield f"item {index}: {name} is there once only"
            else:
                yield from _unequal(f"item {index}: {name}", one[name], other[name], tolerance)


def deviation(first: Sequence[Any], second: Sequence[Any]) -> dict[str, float]:
    """Mean absolute difference over mean absolute value, the largest per quantity or query."""
    found: dict[str, float] = {}
    for one, other in zip(first, second, strict=True):
        for name in one.keys() & other.keys():
            for left, right in _paired(one[name], other[name]):
                found[name] = max(found.get(name, 0.0), _relative(left, right))
    return found


def summary(texts: Iterable[str]) -> str:
    """The first few, and how many more."""
    return _listed(list(texts))


def _finding(check: str, faults: Iterable[str]) -> Finding:
    text = summary(faults)
    return Finding(check, not text, text)


def _listed(texts: Sequence[str]) -> str:
    more = f"; and {len(texts) - _SHOWN} more" if len(texts) > _SHOWN else ""
    return "; ".join(texts[:_SHOWN]) + more


def _name(sample: Sample) -> str:
    return f"{sample.scene}/{sample.id}"


Pairs = Sequence[tuple[Sample, Mapping[Any, Any]]]


def _missing(pairs: Pairs, predicts: Sequence[str]) -> Iterator[str]:
    for sample, prediction in pairs:
        for name in predicts:
            if name not in prediction:
                yield f"{_name(sample)}: {name} was not returned"


def _undeclared(pairs: Pairs, predicts: Sequence[str]) -> Iterator[str]:
    for sample, prediction in pairs:
        known = {*predicts, *(query.id for query in sample.queries)}
        for name in prediction:
            if name not in known:
                yield f"{_name(sample)}: {name!r} is neither in the card's predicts nor a query"


def _unanswered(pairs: Pairs) -> Iterator[str]:
    for sample, prediction in pairs:
        for query in sample.queries:
            if query.id not in prediction:
                yield f"{_name(sample)}: query {query.id!r} was not answered"


def _invalid(pairs: Pairs) -> Iterator[str]:
    for sample, quantity, name, value in _values(pairs):
        try:
            validate(quantity, value)
        except InvalidValueError as error:
            where = f" ({name})" if name != quantity else ""
            yield f"{_name(sample)}{where}: {error.kind}: {error}"


def _values(pairs: Pairs) -> Iterator[tuple[Sample, str, str, Any]]:
    """Sample, quantity, name in the prediction, value; of what is known to the vocabulary."""
    for sample, prediction in pairs:
        asked = {query.id: query.quantity for query in sample.queries}
        for name, value in prediction.items():
            quantity = asked.get(name) or str(name)
            if quantity in VOCABULARY:
                yield sample, quantity, name, value


def _sizes(pairs: Pairs) -> Iterator[tuple[str, tuple[int, int], tuple[int, int]]]:
    """Name, predicted H×W and expected H×W of every image-like value."""
    for sample, quantity, name, value in _values(pairs):
        expected = _expected(sample, name)
        image_like = VOCABULARY[quantity].shape[:2] == ("H", "W")
        if image_like and expected and isinstance(value, np.ndarray) and value.ndim == 3:
            height, width, _ = value.shape
            yield f"{_name(sample)}: {name}", (height, width), expected


def _expected(sample: Sample, name: str) -> tuple[int, int] | None:
    query = {query.id: query for query in sample.queries}.get(name)
    if query is not None and (size := _asked(query)):
        return size
    image = sample.inputs.get("image")
    return (image.shape[0], image.shape[1]) if isinstance(image, np.ndarray) else None


def _asked(query: Query) -> tuple[int, int] | None:
    camera = query.condition.get("camera")
    return (camera.height, camera.width) if isinstance(camera, Camera) else None


def _distorted(pairs: Pairs) -> Iterator[str]:
    for where, (height, width), (wanted_height, wanted_width) in _sizes(pairs):
        # Each side may be rounded by a pixel.
        off = abs(height * wanted_width - width * wanted_height)
        if off > wanted_height + wanted_width:
            yield (
                f"{where} is {height}×{width}, which is no {wanted_height}×{wanted_width} at "
                "another resolution"
            )


def _resized(pairs: Pairs) -> list[str]:
    return [
        f"{where} is {size[0]}×{size[1]}, to be resized to {wanted[0]}×{wanted[1]}"
        for where, size, wanted in _sizes(pairs)
        if size != wanted
    ]


def _arrays(value: Any) -> dict[str, NDArray[Any]]:
    if is_dataclass(value):
        return {field.name: np.asarray(getattr(value, field.name)) for field in fields(value)}
    return {"": np.asarray(value)}


def _paired(first: Any, second: Any) -> Iterator[tuple[NDArray[Any], NDArray[Any]]]:
    one, other = _arrays(first), _arrays(second)
    for part in one.keys() & other.keys():
        if one[part].dtype.kind in "fiub" and one[part].shape == other[part].shape:
            yield one[part].astype(np.float64), other[part].astype(np.float64)


def _unequal(where: str, first: Any, second: Any, tolerance: float) -> Iterator[str]:
    one, other = _arrays(first), _arrays(second)
    if one.keys() != other.keys():
        yield f"{where}: {type(first).__name__} and {type(second).__name__}"
        return
    for part in one:
        label = f"{where}.{part}" if part else where
        if one[part].shape != other[part].shape:
            yield f"{label}: shapes {one[part].shape} and {other[part].shape}"
        elif one[part].dtype.kind not in "fiub":
            if not np.array_equal(one[part], other[part]):
                yield f"{label}: {first!r} and {second!r}"
        elif not np.allclose(
            one[part], other[part], rtol=tolerance, atol=tolerance, equal_nan=True
        ):
            largest = np.nanmax(np.abs(np.subtract(one[part], other[part], dtype=np.float64)))
            yield f"{label}: differs by up to {largest:.3g}"


def _relative(one: NDArray[np.float64], other: NDArray[np.float64]) -> float:
    scale = float(np.mean(np.abs(one)))
    difference = float(np.mean(np.abs(one - other)))
    return difference / scale if scale else difference

"""Carry out a `Comparison` on pairs of arrays; the order of its steps stands in its docstring.

Most metrics are `prepare` and one line. Arithmetic is float64. Where the unit of a comparison is
more than one item, all of its pairs share a scale: `prepare_unit`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Protocol, TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

from bench.errors import InvalidValueError
from bench.protocol import Comparison, Resize
from bench.protocol.pixels import (
    Pixels,
    cropped,
    inside_mask,
    inside_pixels,
    pixels_of,
    scored_mask,
)
from bench.protocol.prepared import Mask, Prepared, pooled_error, psnr
from bench.protocol.scales import Gain, fit
from bench.protocol.showing import Float64, luma, show
from bench.quantities import Value, Values

__all__ = [
    "Float64",
    "Mask",
    "Pair",
    "Prepared",
    "Scored",
    "inside_mask",
    "match",
    "pair",
    "pooled_error",
    "prepare",
    "prepare_items",
    "prepare_known",
    "prepare_known_unit",
    "prepare_unit",
    "psnr",
    "resize",
    "spaced",
]

Pair: TypeAlias = "tuple[Value, Value, Value | None]"
"""Prediction and target H×W×C, linear, and a mask H×W×1 in [0, 1]; None for the whole frame."""

_SMALL = 3 * 256**2
"""Numbers in a target up to which metrics share what was prepared; more would fill memory."""

_INTERPOLATION = {
    "bilinear": cv2.INTER_LINEAR,
    "area": cv2.INTER_AREA,
    "nearest": cv2.INTER_NEAREST_EXACT,
}


class Scored(Protocol):
    """What has a prediction and a target, quantity → value: an `api.Item`."""

    @property
    def prediction(self) -> Values:
        """What was predicted."""

    @property
    def target(self) -> Values:
        """The truth, with the `mask` of the pixels to be scored where there is one."""

    @property
    def shared(self) -> dict[Any, Any]:
        """What one metric made of it and the next need not make again."""


def prepare(
    prediction: Value, target: Value, mask: Value | None, comparison: Comparison
) -> Prepared | None:
    """Two arrays H×W×C as the comparison wants them; None where no pixel is inside.

    The scale is fitted to the inside pixels, by their weights. The arrays come in linear; `mask` is
    H×W×1 in [0, 1], and without one the whole frame is inside.

    Raises:
        InvalidValueError: of kind "shape" where the arrays or the mask do not fit one another.
    """
    found = prepare_unit([(prediction, target, mask)], comparison)
    return found[0] if found else None


def prepare_unit(pairs: Sequence[Pair], comparison: Comparison) -> list[Prepared]:
    """Each pair as `prepare` has it, but for one scale that is fitted to all, or to `views` of
    them; pairs without a pixel inside are left out.

    Raises:
        InvalidValueError: of kind "shape" where arrays or mask of a pair do not fit one another.
    """
    parts = [inside_pixels(*pair, comparison) for pair in pairs]
    return _prepared([part for part in parts if part is not None], comparison)


def prepare_items(items: Iterable[Scored], quantity: str, comparison: Comparison) -> list[Prepared]:
    """`prepare_unit` of a quantity of items, each with the `mask` among its targets.

    Raises:
        InvalidValueError: as `prepare_unit`.
    """
    several = list(items)
    pairs = [_scored_pair(item, quantity, comparison) for item in several]
    if len(pairs) != 1 or np.asarray(pairs[0][1]).size > _SMALL:
        return prepare_unit(pairs, comparison)
    key = (comparison, *map(id, pairs[0]))
    if key not in several[0].shared:  # with the arrays, lest others get their ids
        several[0].shared[key] = pairs, prepare_unit(pairs, comparison)
    found: list[Prepared] = several[0].shared[key][1]
    return found


def prepare_known(
    prediction: Value, target: Value, mask: Value | None, comparison: Comparison
) -> tuple[Prepared, float] | None:
    """`prepare` for quantities whose zero means unknown, and the share that the prediction knows.

    The pixels are those that both know or, where the unknown are counted, all inside. The share is
    of the inside pixels that the target knows; None where it knows none.

    Raises:
        InvalidValueError: of kind "missing" where the prediction knows none of the target's pixels;
            of kind "shape" as `prepare` does.
    """
    found = prepare_known_unit([(prediction, target, mask)], comparison)
    return None if found is None else (found[0][0], found[1])


def prepare_known_unit(
    pairs: Sequence[Pair], comparison: Comparison
) -> tuple[list[Prepared], float] | None:
    """`prepare_known` of several pairs with one scale; the share is of all their pixels.

    Raises:
        InvalidValueError: as `prepare_known`, where none of the pairs' pixels is known.
    """
    parts, count, found = [], 0, 0
    for prediction, target, mask in pairs:
        kept = cropped(prediction, target, mask, comparison)
        first, second = kept[0].any(axis=-1), kept[1].any(axis=-1)  # H×W
        inside = inside_mask(kept[2], second.shape, comparison)
        wanted = inside & second
        both = wanted & first
        count, found = count + int(wanted.sum()), found + int(both.sum())
        where = inside if comparison.unknown == "counted" else both
        if where.any():
            parts.append(pixels_of(*kept, where, comparison))
    if count == 0:
        return None
    if found == 0:
        raise InvalidValueError(
            "missing", f"the prediction is unknown (zero) at all {count} pixels the target knows"
        )
    return _prepared(parts, comparison), found / count


def match(
    prediction: Float64, target: Float64, comparison: Comparison, weights: Float64 | None = None
) -> tuple[Float64, Float64]:
    """Pixel lists N×C, linear → the same scaled, clipped, encoded, rounded."""
    gain = _gain([(prediction, target, weights)], comparison)
    return _matched(prediction, target, gain, comparison)


def resize(array: NDArray[Any], height: int, width: int, rule: Resize) -> NDArray[Any]:
    """An array H×W×C at height × width, dtype kept; the array itself where it has that size.

    Pixel centres are at +0.5. "bilinear" reads the four nearest centres and does not filter;
    "area" averages what a new pixel covers; "nearest" copies. Zeros that mean "unknown" are blended
    like any value by the first two.
    """
    if array.shape[:2] == (height, width):
        return array
    source = array if array.dtype == np.float64 else array.astype(np.float32)
    resized = cv2.resize(source, (width, height), interpolation=_INTERPOLATION[rule])
    return resized.reshape(height, width, array.shape[2]).astype(array.dtype)


def spaced(count: int, views: int) -> list[int]:
    """The items that a scale is fitted to: k·⌊count ÷ views⌋; all where there are not that many."""
    if not 0 < views <= count:
        return list(range(count))
    return [k * (count // views) for k in range(views)]


def pair(item: Scored, quantity: str) -> Pair:
    """One quantity of an item, as `prepare_unit` takes it."""
    return item.prediction[quantity], item.target[quantity], item.target.get("mask")


def _scored_pair(item: Scored, quantity: str, comparison: Comparison) -> Pair:
    """`pair` with the mask that the comparison looks at."""
    prediction, target, _ = pair(item, quantity)
    return prediction, target, scored_mask(quantity, item.target, comparison)


def _prepared(parts: Sequence[Pixels], comparison: Comparison) -> list[Prepared]:
    if not parts:
        return []
    chosen = [parts[index] for index in spaced(len(parts), comparison.views)]
    gain = _gain([part.to_fit() for part in chosen], comparison)
    whole = comparison.mask == "zero-outside"
    return [
        Prepared(
            *_matched(part.prediction, part.target, gain, comparison),
            part.inside,
            part.inside.size if whole else len(part.target),
            part.weights,
            comparison.background,
        )
        for part in parts
    ]


def _gain(
    parts: Sequence[tuple[Float64, Float64, Float64 | None]], comparison: Comparison
) -> Gain | None:
    if comparison.scale == "none":
        return None
    first = np.concatenate([part[0] for part in parts])
    second = np.concatenate([part[1] for part in parts])
    if not len(first):
        return None  # nothing to fit to: the scale stays as it is
    weights = [part[2] for part in parts if part[2] is not None]
    if comparison.fit == "shown":
        first, second = show(first, comparison), show(second, comparison)
    return fit(first, second, comparison, np.concatenate(weights) if weights else None)


def _matched(
    prediction: Float64, target: Float64, gain: Gain | None, comparison: Comparison
) -> tuple[Float64, Float64]:
    if gain is not None and comparison.fit == "linear":
        prediction = gain.apply(prediction)
    shown, wanted = show(prediction, comparison), show(target, comparison)
    if gain is not None and comparison.fit == "shown":
        shown = gain.apply(shown)
    return luma(shown, comparison), luma(wanted, comparison)

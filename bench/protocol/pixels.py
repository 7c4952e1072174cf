"""The pixels of a pair that a comparison looks at, linear, before any scale."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from bench.errors import InvalidValueError
from bench.protocol import Comparison
from bench.protocol.prepared import Mask
from bench.protocol.showing import Float64, brightening
from bench.quantities import Value


@dataclass(frozen=True, eq=False)
class Pixels:
    """The inside pixels of a pair, N×C, linear, before any scale; `fitted` N are fitted to."""

    prediction: Float64
    target: Float64
    inside: Mask
    weights: Float64 | None
    fitted: Mask | None

    def to_fit(self) -> tuple[Float64, Float64, Float64 | None]:
        """Prediction, target and weights of the pixels that a scale is fitted to."""
        if self.fitted is None:
            return self.prediction, self.target, self.weights
        weights = None if self.weights is None else self.weights[self.fitted]
        return self.prediction[self.fitted], self.target[self.fitted], weights


def scored_mask(quantity: str, target: Mapping[str, Any], comparison: Comparison) -> Any:
    """The target's mask, or of it what is covered: arrays or tensors …×H×W×1; None for all pixels.

    Nothing is covered where the target does not say what is.
    """
    mask = target.get("mask")
    if comparison.within == "mask":
        return mask
    covered = target.get("covered", 0 * target[quantity][..., :1])
    return covered if mask is None else mask * covered


def inside_mask(mask: Value | None, size: tuple[int, ...], comparison: Comparison) -> Mask:
    """The pixels H×W that a comparison looks at: thresholded, then eroded with a square of ones.

    The frame's border does not erode. All pixels where there is no mask or the mode is "full"; all
    that are covered at all where it is "soft".

    Raises:
        InvalidValueError: of kind "shape" for a mask of another size.
    """
    if mask is None or comparison.mask == "full":
        return np.ones(size, np.bool_)
    coverage = np.asarray(mask)
    if coverage.shape != (*size, 1):
        raise InvalidValueError("shape", f"the mask is {coverage.shape}, not {(*size, 1)}")
    threshold = 0 if comparison.mask == "soft" else comparison.threshold
    inside: Mask = coverage[..., 0] > threshold
    if comparison.erosion:
        square = np.ones((comparison.erosion, comparison.erosion), np.uint8)
        inside = cv2.erode(inside.astype(np.uint8), square) > 0
    return inside


def inside_pixels(
    prediction: Value, target: Value, mask: Value | None, comparison: Comparison
) -> Pixels | None:
    kept = cropped(prediction, target, mask, comparison)
    inside = inside_mask(kept[2], kept[1].shape[:2], comparison)
    return pixels_of(*kept, inside, comparison) if inside.any() else None


def pixels_of(
    prediction: NDArray[Any],
    target: NDArray[Any],
    mask: NDArray[Any] | None,
    inside: Mask,
    comparison: Comparison,
) -> Pixels:
    where = np.flatnonzero(inside)  # N
    first, second = _list(prediction, where), _list(target, where)  # N×C
    if comparison.channels == "grey":
        first, second = first.mean(1, keepdims=True), second.mean(1, keepdims=True)  # N×1
    if comparison.brightened:
        factor = brightening(second)
        first, second = factor * first, factor * second
    weights = fitted = None
    if comparison.mask == "soft" and mask is not None:
        weights = _list(mask, where)[:, 0]  # N
    if comparison.fit_threshold is not None and mask is not None:
        fitted = _list(mask, where)[:, 0] > comparison.fit_threshold  # N
    return Pixels(first, second, inside, weights, fitted)


def cropped(
    prediction: Value, target: Value, mask: Value | None, comparison: Comparison
) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any] | None]:
    first, second = np.asarray(prediction), np.asarray(target)
    coverage = None if mask is None else np.asarray(mask)
    if first.shape != second.shape:
        raise InvalidValueError(
            "shape", f"the prediction is {first.shape}, the target {second.shape}"
        )
    if not comparison.crop:
        return first, second, coverage
    sides = []
    for size in second.shape[:2]:
        kept = size // comparison.crop * comparison.crop
        sides.append(slice((size - kept) // 2, (size - kept) // 2 + kept))
    window = tuple(sides)
    return first[window], second[window], None if coverage is None else coverage[window]


def _list(array: NDArray[Any], where: NDArray[np.intp]) -> Float64:
    """The chosen pixels N×C of H×W×C, a channel contiguous: three times as fast to scale by."""
    return array.reshape(-1, array.shape[-1]).take(where, axis=0).astype(np.float64, order="F")

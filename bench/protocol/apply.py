"""Carry out a `Comparison` on two arrays: mask, scale, clip, encode, quantise, in that order.

The scale comes last where the comparison fits it to what is shown. Most metrics are `prepare` and
one line. Arithmetic is float64. `Comparison.reduction` concerns many units and is not applied here.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from bench.errors import InvalidValueError
from bench.graphics.colour import gamma_encode, srgb_encode
from bench.protocol import Comparison, Resize, Scale, Space
from bench.quantities import Value

Float64 = NDArray[np.float64]
Mask = NDArray[np.bool_]

# What an 8-bit file held is just below its step after a round trip through linear float32.
_STEP_SLACK = 1e-3

# Below this share of its power, the variance of a prediction is rounding and not a signal.
_CONSTANT = 1e-20

_INTERPOLATION = {
    "bilinear": cv2.INTER_LINEAR,
    "area": cv2.INTER_AREA,
    "nearest": cv2.INTER_NEAREST_EXACT,
}


class Gain(NamedTuple):
    """matched = scale · prediction + shift, per channel: C and C numbers."""

    scale: Float64
    shift: Float64


@dataclass(frozen=True, eq=False)
class Prepared:
    """A pair ready to be measured.

    Attributes:
        prediction: N×C, the inside pixels in row-major order, in the comparison's space.
        target: N×C, likewise.
        inside: H×W, where those pixels lie.
        pixels: how many pixels a mean goes over: N, or H·W where the background counts as zero.
        weights: N, the coverage of soft comparisons; None where every inside pixel counts alike.
    """

    prediction: Float64
    target: Float64
    inside: Mask
    pixels: int
    weights: Float64 | None = None

    def frames(self) -> tuple[Float64, Float64]:
        """(prediction, target), H×W×C each, zero outside the mask."""
        return self._frame(self.prediction), self._frame(self.target)

    def mean_squared_error(self) -> float:
        """Mean over the comparison's pixels, by their weights, and all channels."""
        difference = self.prediction - self.target
        if self.weights is not None:
            squares = np.einsum("n,nc,nc->", self.weights, difference, difference)
            return float(squares / (self.weights.sum() * difference.shape[1]))
        squares = np.einsum("nc,nc->", difference, difference)
        return float(squares / (self.pixels * difference.shape[1]))

    def _frame(self, values: Float64) -> Float64:
        channels = values.shape[1]
        frame = np.zeros((self.inside.size, channels))  # HW×C
        frame[np.flatnonzero(self.inside)] = values
        return frame.reshape(*self.inside.shape, channels)  # H×W×C


def prepare(
    prediction: Value, target: Value, mask: Value | None, comparison: Comparison
) -> Prepared | None:
    """Two arrays H×W×C as the comparison wants them; None where no pixel is inside.

    The scale is fitted to the inside pixels, by their weights. The arrays come in linear; `mask` is
    H×W×1 in [0, 1], and without one the whole frame is inside.

    Raises:
        InvalidValueError: of kind "shape" where the arrays or the mask do not fit one another.
    """
    first, second = _same_shape(prediction, target)
    inside = inside_mask(mask, (second.shape[0], second.shape[1]), comparison)
    return _prepare(first, second, mask, inside, comparison) if inside.any() else None


def prepare_known(
    prediction: Value, target: Value, mask: Value | None, comparison: Comparison
) -> tuple[Prepared, float] | None:
    """`prepare` for quantities whose zero means unknown: the pixels that both know, and a share.

    The share is of the inside pixels that the target knows; None where it knows none.

    Raises:
        InvalidValueError: of kind "missing" where the prediction knows none of the target's pixels;
            of kind "shape" as `prepare` does.
    """
    first, second = _same_shape(prediction, target)
    inside = inside_mask(mask, (second.shape[0], second.shape[1]), comparison)
    wanted = inside & second.any(axis=-1)
    both = wanted & first.any(axis=-1)
    count, found = int(np.count_nonzero(wanted)), int(np.count_nonzero(both))
    if count == 0:
        return None
    if found == 0:
        raise InvalidValueError(
            "missing", f"the prediction is unknown (zero) at all {count} pixels the target knows"
        )
    return _prepare(first, second, mask, both, comparison), found / count


def inside_mask(mask: Value | None, size: tuple[int, int], comparison: Comparison) -> Mask:
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


def match(
    prediction: Float64, target: Float64, comparison: Comparison, weights: Float64 | None = None
) -> tuple[Float64, Float64]:
    """Pixel lists N×C, linear → the same scaled, clipped, encoded and quantised."""
    if comparison.fit == "shown":
        shown = show(prediction, comparison), show(target, comparison)
        return _scaled(*shown, comparison, weights), shown[1]
    prediction = _scaled(prediction, target, comparison, weights)
    return show(prediction, comparison), show(target, comparison)


def fit_scale(
    prediction: Float64, target: Float64, scale: Scale, weights: Float64 | None = None
) -> Gain:
    """Least squares of lists N×C, optionally weighted by N numbers (specs/metrics.md §0.3).

    "scalar" and "affine" share their numbers among the channels. The sign is free: an inverted
    prediction gets a negative scale. A prediction of zeros fits any scale and keeps 1; a constant
    one gets the affine scale 0 and the target's mean as shift.
    """
    channels = target.shape[1]
    if scale == "none":
        return Gain(np.ones(channels), np.zeros(channels))
    if scale == "affine":
        return _fit_affine(prediction, target, weights)
    weighted = prediction if weights is None else prediction * weights[:, None]  # N×C
    cross = np.einsum("nc,nc->c", weighted, target)
    power = np.einsum("nc,nc->c", weighted, prediction)
    if scale == "scalar":
        cross, power = np.full(channels, cross.sum()), np.full(channels, power.sum())
    empty = power == 0
    return Gain(np.where(empty, 1.0, cross / np.where(empty, 1.0, power)), np.zeros(channels))


def show(values: Float64, comparison: Comparison) -> Float64:
    """Linear values of any shape → clipped, encoded and rounded as the comparison says."""
    if comparison.clip is not None:
        values = np.clip(values, *comparison.clip)
    values = _encode(values, comparison.space)
    if comparison.levels is None:
        return values
    steps = values * comparison.levels
    steps = np.rint(steps) if comparison.rounding == "nearest" else np.floor(steps + _STEP_SLACK)
    return np.asarray(steps / comparison.levels)


def psnr(prepared: Prepared, comparison: Comparison) -> float:
    """10 log₁₀(peak² / mean squared error) in dB; ∞ for identical arrays."""
    error = prepared.mean_squared_error()
    return math.inf if error == 0 else 10 * math.log10(comparison.peak**2 / error)


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


def _same_shape(prediction: Value, target: Value) -> tuple[NDArray[Any], NDArray[Any]]:
    first, second = np.asarray(prediction), np.asarray(target)
    if first.shape != second.shape:
        raise InvalidValueError(
            "shape", f"the prediction is {first.shape}, the target {second.shape}"
        )
    return first, second


def _prepare(
    first: NDArray[Any],
    second: NDArray[Any],
    mask: Value | None,
    inside: Mask,
    comparison: Comparison,
) -> Prepared:
    where = np.flatnonzero(inside)  # N
    weights = None
    if comparison.mask == "soft" and mask is not None:
        weights = _pixels(np.asarray(mask), where)[:, 0]  # N
    matched = match(_pixels(first, where), _pixels(second, where), comparison, weights)
    pixels = inside.size if comparison.mask == "zero-outside" else len(matched[0])
    return Prepared(*matched, inside, pixels, weights)


def _scaled(
    prediction: Float64, target: Float64, comparison: Comparison, weights: Float64 | None
) -> Float64:
    if comparison.scale == "none":
        return prediction
    gain = fit_scale(prediction, target, comparison.scale, weights)
    return np.asarray(prediction * gain.scale + gain.shift)  # N×C


def _pixels(array: NDArray[Any], where: NDArray[np.intp]) -> Float64:
    """The chosen pixels N×C of H×W×C, a channel contiguous: three times as fast to scale by."""
    return array.reshape(-1, array.shape[-1]).take(where, axis=0).astype(np.float64, order="F")


def _fit_affine(prediction: Float64, target: Float64, weights: Float64 | None) -> Gain:
    channels = target.shape[1]
    shares = np.ones(len(target)) if weights is None else weights
    shares = shares[:, None] / (shares.sum() * channels)  # N×1
    mean_prediction, mean_target = (shares * prediction).sum(), (shares * target).sum()
    centred = prediction - mean_prediction  # N×C
    variance = float((shares * centred**2).sum())
    slope = 0.0
    if variance > _CONSTANT * float((shares * prediction**2).sum()):
        slope = float((shares * centred * (target - mean_target)).sum()) / variance
    shift = float(mean_target) - slope * float(mean_prediction)
    return Gain(np.full(channels, slope), np.full(channels, shift))


def _encode(values: Float64, space: Space) -> Float64:
    if space == "srgb":
        return np.asarray(srgb_encode(values), np.float64)
    if space == "gamma22":
        return np.asarray(gamma_encode(values), np.float64)
    return values

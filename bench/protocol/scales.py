"""How a prediction's unknown scale is fitted to the target (specs/metrics.md §0.3)."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from scipy.optimize import minimize_scalar

from bench.protocol import Comparison, Scale
from bench.protocol.showing import Float64, show

# Below this share of its power, the variance of a prediction is rounding and not a signal.
_CONSTANT = 1e-20

# What a prediction is at least taken for in a ratio.
_LEAST = 1e-6

# Objects With Lighting: 2^−10 is where the search for the exposure starts; gains stay in this.
_DARKEST, _GAINS = -10.0, (0.5, 2.0)


class Gain(NamedTuple):
    """matched = scale · prediction + shift, per channel: C and C numbers."""

    scale: Float64
    shift: Float64

    def apply(self, prediction: Float64) -> Float64:
        """A list N×C, matched."""
        return np.asarray(prediction * self.scale + self.shift)


def fit(
    prediction: Float64, target: Float64, comparison: Comparison, weights: Float64 | None = None
) -> Gain:
    """The comparison's scale for lists N×C, linear or, where it fits what is shown, shown."""
    if comparison.scale == "exposure":
        return _fit_exposure(prediction, target, comparison)
    return fit_scale(prediction, target, comparison.scale, weights)


def fit_scale(
    prediction: Float64, target: Float64, scale: Scale, weights: Float64 | None = None
) -> Gain:
    """Every scale but "exposure", of lists N×C, optionally weighted by N numbers.

    "scalar", "affine" and "median-red" share their numbers among the channels. Least squares leave
    the sign free: an inverted prediction gets a negative scale. A prediction of zeros fits any
    scale and keeps 1; a constant one gets the affine scale 0 and the target's mean as shift.
    Medians are not weighted.
    """
    channels = target.shape[1]
    if scale == "none":
        return Gain(np.ones(channels), np.zeros(channels))
    if scale == "affine":
        return _fit_affine(prediction, target, weights)
    if scale in ("median", "median-red"):
        return _fit_median(prediction, target, scale)
    weighted = prediction if weights is None else prediction * weights[:, None]  # N×C
    cross = np.einsum("nc,nc->c", weighted, target)
    power = np.einsum("nc,nc->c", weighted, prediction)
    if scale == "scalar":
        cross, power = np.full(channels, cross.sum()), np.full(channels, power.sum())
    empty = power == 0
    return Gain(np.where(empty, 1.0, cross / np.where(empty, 1.0, power)), np.zeros(channels))


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


def _fit_median(prediction: Float64, target: Float64, scale: Scale) -> Gain:
    """Of two middle ratios the lower, as torch.median has it."""
    ratios = target / np.maximum(prediction, _LEAST)  # N×C
    middle = (len(ratios) - 1) // 2
    medians = np.partition(ratios, middle, axis=0)[middle]  # C
    if scale == "median-red":
        medians = np.full_like(medians, medians[0])
    return Gain(medians, np.zeros_like(medians))


def _fit_exposure(prediction: Float64, target: Float64, comparison: Comparison) -> Gain:
    """2^e, then a gain per channel, that minimise the mean |difference| of what is shown (§7.5).

    Only pixels whose target is shown below 1 in every channel count; without one, or where no
    prediction is positive, nothing is fitted.
    """
    channels = target.shape[1]
    shown = show(target, comparison)
    unsaturated = shown.max(axis=1) < 1  # N
    prediction, shown = prediction[unsaturated], shown[unsaturated]
    positive = prediction[prediction > 0]
    if not positive.size:
        return Gain(np.ones(channels), np.zeros(channels))

    def difference(gain: float, channel: slice) -> float:
        found = show(gain * prediction[:, channel], comparison)
        return float(np.abs(found - shown[:, channel]).mean())

    brightest = math.log2(0.95**2.2 / float(positive.min()))
    whole = slice(None)
    found = minimize_scalar(
        lambda stops: difference(2**stops, whole), bracket=(_DARKEST, brightest), tol=1e-8
    )
    exposure = 2 ** float(found.x)
    gains = [_fit_gain(difference, exposure, slice(c, c + 1)) for c in range(channels)]
    return Gain(exposure * np.array(gains), np.zeros(channels))


def _fit_gain(difference: object, exposure: float, channel: slice) -> float:
    # The channels' differences add up, so that one gain after the other finds the three together.
    assert callable(difference)
    found = minimize_scalar(
        lambda gain: difference(exposure * gain, channel),
        bounds=_GAINS,
        method="bounded",
        options={"xatol": 1e-6},
    )
    return float(found.x)

"""Errors of albedo and shading of one item."""

from collections.abc import Iterable, Mapping
from dataclasses import replace

import cv2
import numpy as np

from bench.api import Item, MetricCard
from bench.protocol import Comparison
from bench.protocol.apply import Float64, Mask, Prepared, prepare, psnr

WINDOW, STEP = 20, 10

# A window whose predicted power is below this gets the scale 0 (specs/metrics.md §5.3).
_LEAST_POWER = 1e-5


def local_error(prepared: Prepared, window: int = WINDOW, step: int = STEP) -> float | None:
    """LMSE of Grosse et al. 2009 with the total accumulated per window, in [0, 1].

    Each k×k window that fits into the frame gets its own least-squares scale, which all channels
    share (one channel gives the original gray definition). None where no window holds any target.
    """
    first, second = prepared.prediction, prepared.target
    power, cross, total = (
        _window_sums(np.einsum("nc,nc->n", a, b), prepared.inside, window, step)
        for a, b in ((first, first), (first, second), (second, second))
    )
    scale = np.where(power > _LEAST_POWER, cross / np.maximum(power, _LEAST_POWER), 0)
    if total.sum() <= 0:
        return None
    error = total - 2 * scale * cross + scale**2 * power
    return float(np.maximum(error, 0).sum() / total.sum())


def _window_sums(values: Float64, inside: Mask, window: int, step: int) -> Float64:
    """Sums of N inside values over the windows of the frame, rows×columns, by summed areas."""
    frame = np.zeros(inside.shape)
    frame[inside] = values
    table = np.asarray(cv2.integral(frame, sdepth=cv2.CV_64F))  # (H+1)×(W+1)
    across = table[:, window::step] - table[:, :-window:step]  # (H+1)×columns
    return np.asarray(across[window::step] - across[:-window:step])


def scale_invariant(comparison: Comparison) -> Comparison:
    """The comparison itself, or with one scalar where it fits no scale."""
    return replace(comparison, scale="scalar") if comparison.scale == "none" else comparison


class AlbedoError:
    """PSNR, si-MSE and LMSE of the albedo under the comparison's scale.

    si-MSE is the mean squared error after that scale; where the comparison fits none, after one
    scalar. LMSE adds its own scale per window, shared by the channels.
    """

    def __init__(self, card: MetricCard) -> None:
        self.card = card

    def __call__(self, items: Iterable[Item], comparison: Comparison) -> Mapping[str, float]:
        (item,) = items
        pair = item.prediction["albedo"], item.target["albedo"], item.target.get("mask")
        prepared = prepare(*pair, comparison)
        invariant = prepared
        if comparison.scale == "none":
            invariant = prepare(*pair, scale_invariant(comparison))
        if prepared is None or invariant is None:
            return {}
        local = local_error(prepared)
        return {
            "albedo.psnr": psnr(prepared, comparison),
            "albedo.si_mse": invariant.mean_squared_error(),
        } | ({} if local is None else {"albedo.lmse": local})


class ShadingError:
    """LMSE of the shading, its colour included: one scale per window, shared by the channels."""

    def __init__(self, card: MetricCard) -> None:
        self.card = card

    def __call__(self, items: Iterable[Item], comparison: Comparison) -> Mapping[str, float]:
        (item,) = items
        pair = item.prediction["shading"], item.target["shading"], item.target.get("mask")
        prepared = prepare(*pair, comparison)
        local = None if prepared is None else local_error(prepared)
        return {} if local is None else {"shading.lmse": local}

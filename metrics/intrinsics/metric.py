"""Errors of albedo and shading of one item, or of a unit of items under one scale."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import cv2
import numpy as np

from bench.api import Item, MetricCard
from bench.protocol import Comparison
from bench.protocol.apply import Float64, Mask, Prepared, pooled_error, prepare_items, psnr

if TYPE_CHECKING:
    from torch import Tensor

    from bench.protocol.batched import Batch

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


def mean_local_error(parts: Sequence[Prepared]) -> float | None:
    """The mean LMSE of the images that have one; None where none has."""
    errors = [error for part in parts if (error := local_error(part)) is not None]
    return float(np.mean(errors)) if errors else None


def scale_invariant(comparison: Comparison) -> Comparison:
    """The comparison itself, or with one scalar where it fits no scale."""
    return replace(comparison, scale="scalar") if comparison.scale == "none" else comparison


def mean_squared_error(parts: Sequence[Prepared], comparison: Comparison) -> float:
    """Of all pixels where the comparison pools them, else the mean of each image's."""
    if comparison.reduction == "pooled":
        return pooled_error(parts)
    return float(np.mean([part.mean_squared_error() for part in parts]))


def _batched(
    batch: Batch, quantity: str, comparison: Comparison, given: Comparison
) -> Mapping[str, Tensor]:
    from bench.metrics.intrinsics import batched

    invariant = batch.prepared(quantity, scale_invariant(given))
    values: Mapping[str, Tensor] = batched.errors(
        quantity, batch.prepared(quantity, comparison), invariant
    )
    return values


class AlbedoError:
    """PSNR, si-MSE and LMSE of the albedo under the comparison's scale.

    si-MSE is the mean squared error after that scale; where the comparison fits none, after one
    scalar. LMSE adds its own scale per window, shared by the channels.
    """

    def __init__(self, card: MetricCard) -> None:
        self.card = card

    def __call__(self, items: Iterable[Item], comparison: Comparison) -> Mapping[str, float]:
        items = list(items)
        parts = prepare_items(items, "albedo", comparison)
        if not parts:
            return {}
        invariant = prepare_items(items, "albedo", scale_invariant(comparison))
        local = mean_local_error(parts)
        return {
            "albedo.psnr": psnr(parts, comparison),
            "albedo.si_mse": mean_squared_error(invariant, comparison),
        } | ({} if local is None else {"albedo.lmse": local})

    def batch(self, batch: Batch, comparison: Comparison) -> Mapping[str, Tensor]:
        """The same of each of B pairs by itself: tensors B, NaN where one is not defined."""
        return _batched(batch, "albedo", comparison, comparison)


class ShadingError:
    """PSNR, si-MSE and LMSE of the shading, its colour included.

    All are after the comparison's scale; where it fits none, after one scalar. LMSE adds its own
    scale per window, shared by the channels.
    """

    def __init__(self, card: MetricCard) -> None:
        self.card = card

    def __call__(self, items: Iterable[Item], comparison: Comparison) -> Mapping[str, float]:
        parts = prepare_items(items, "shading", scale_invariant(comparison))
        if not parts:
            return {}
        local = mean_local_error(parts)
        return {
            "shading.psnr": psnr(parts, comparison),
            "shading.si_mse": mean_squared_error(parts, comparison),
        } | ({} if local is None else {"shading.lmse": local})

    def batch(self, batch: Batch, comparison: Comparison) -> Mapping[str, Tensor]:
        """The same of each of B pairs by itself: tensors B, NaN where one is not defined."""
        return _batched(batch, "shading", scale_invariant(comparison), comparison)


class IntrinsicError:
    """½ LMSE of the shading + ½ LMSE of the albedo: the score of MIT Intrinsic Images.

    As published where the comparison looks at "grey" channels. Undefined where either is.
    """

    def __init__(self, card: MetricCard) -> None:
        self.card = card

    def __call__(self, items: Iterable[Item], comparison: Comparison) -> Mapping[str, float]:
        items = list(items)
        albedo, shading = (
            mean_local_error(prepare_items(items, quantity, comparison))
            for quantity in ("albedo", "shading")
        )
        if albedo is None or shading is None:
            return {}
        return {"intrinsic.lmse": (shading + albedo) / 2}

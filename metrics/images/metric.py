"""PSNR and mean absolute difference; what every number of two frames shares."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING

import numpy as np

from bench.api import Item, MetricCard
from bench.protocol import Comparison
from bench.protocol.apply import Mask, Prepared, prepare_items, psnr

if TYPE_CHECKING:
    from torch import Tensor

    from bench.protocol.batched import Batch, PreparedBatch


class Psnr:
    """PSNR in dB over the comparison's pixels; ∞ for identical images.

    Of a unit of several images their mean, or that of their pooled error.
    """

    def __init__(self, card: MetricCard) -> None:
        self.quantity, self.id = card.quantity, card.scores[0].id

    def __call__(self, items: Iterable[Item], comparison: Comparison) -> Mapping[str, float]:
        parts = prepare_items(items, self.quantity, comparison)
        return {self.id: psnr(parts, comparison)} if parts else {}

    def batch(self, batch: Batch, comparison: Comparison) -> Mapping[str, Tensor]:
        """The same of each of B pairs by itself: a tensor B, NaN where no pixel is inside."""
        return {self.id: batch.prepared(self.quantity, comparison).psnr()}


class FrameMetric:
    """A number of two frames; of a unit the mean, weighted by their pixels where it is pooled.

    Made of `measure`, the number of one pair; `measure_batch`, the numbers of B pairs on their
    device, a tensor B; `smallest`, the least side in pixels of a frame that has one; and `fits`,
    whether a frame with these pixels H×W inside has one: others are left out.
    """

    def __init__(
        self,
        card: MetricCard,
        measure: Callable[[Prepared, Comparison], float],
        measure_batch: Callable[[PreparedBatch], Tensor],
        smallest: Callable[[Comparison], int] = lambda _: 1,
        fits: Callable[[Mask, Comparison], bool] = lambda *_: True,
    ) -> None:
        self.quantity, self.id = card.quantity, card.scores[0].id
        self._measure, self._measure_batch = measure, measure_batch
        self._smallest, self._fits = smallest, fits

    def __call__(self, items: Iterable[Item], comparison: Comparison) -> Mapping[str, float]:
        parts = [
            part
            for part in prepare_items(items, self.quantity, comparison)
            if min(part.inside.shape) >= self._smallest(comparison)
            and self._fits(part.inside, comparison)
        ]
        if not parts:
            return {}
        values = [self._measure(part, comparison) for part in parts]
        pooled = comparison.reduction == "pooled"
        weights = [_pixels(part, comparison) for part in parts] if pooled else None
        return {self.id: float(np.average(values, weights=weights))}

    def batch(self, batch: Batch, comparison: Comparison) -> Mapping[str, Tensor]:
        """The same of each of B pairs by itself: a tensor B, NaN where no pixel is inside."""
        prepared = batch.prepared(self.quantity, comparison)
        if min(prepared.inside.shape[1:]) < self._smallest(comparison):
            return {}
        return {self.id: prepared.where_defined(self._measure_batch(prepared))}


def mean_absolute(card: MetricCard) -> FrameMetric:
    """Mean |difference| over the comparison's pixels and channels, in steps of 8 bit (× 255)."""
    return FrameMetric(card, _mean_absolute, _mean_absolute_batch)


def _mean_absolute(prepared: Prepared, comparison: Comparison) -> float:
    difference = np.abs(prepared.prediction - prepared.target)  # N×C
    if prepared.weights is not None:
        difference *= prepared.weights[:, None]
    return 255 * float(difference.sum()) / prepared.count()


def _mean_absolute_batch(prepared: PreparedBatch) -> Tensor:
    return 255 * prepared.mean((prepared.prediction - prepared.target).abs())


def _pixels(prepared: Prepared, comparison: Comparison) -> float:
    if comparison.averaged == "inside":
        return float(np.count_nonzero(prepared.inside))
    return float(prepared.count() / prepared.target.shape[1])

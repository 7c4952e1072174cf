"""Squared error of a scalar map of one item, or of a unit of items."""

import math
from collections.abc import Iterable, Mapping

import numpy as np

from bench.api import Item, MetricCard
from bench.protocol import Comparison
from bench.protocol.apply import pooled_error, prepare_items


class SquaredError:
    """Mean squared error and its root over the comparison's pixels.

    Under "zero-outside" the background is right in both, whatever stands there, and the mean goes
    over the frame (Synthetic4Relight, specs/metrics.md §6). Of several items the mean of each one's
    value or, pooled, that of all pixels.
    """

    def __init__(self, card: MetricCard) -> None:
        self.quantity = card.quantity

    def __call__(self, items: Iterable[Item], comparison: Comparison) -> Mapping[str, float]:
        parts = prepare_items(items, self.quantity, comparison)
        if not parts:
            return {}
        groups = [parts] if comparison.reduction == "pooled" else [[part] for part in parts]
        squares = [pooled_error(group) for group in groups]
        return {
            f"{self.quantity}.mse": float(np.mean(squares)),
            f"{self.quantity}.rmse": float(np.mean([math.sqrt(square) for square in squares])),
        }

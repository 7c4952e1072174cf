"""Root mean squared error of a scalar map of one item."""

import math
from collections.abc import Iterable, Mapping

from bench.api import Item, MetricCard
from bench.protocol import Comparison
from bench.protocol.apply import prepare


class RootMeanSquare:
    """RMSE over the comparison's pixels."""

    def __init__(self, card: MetricCard) -> None:
        self.quantity, self.id = card.quantity, card.scores[0].id

    def __call__(self, items: Iterable[Item], comparison: Comparison) -> Mapping[str, float]:
        (item,) = items
        truth, mask = item.target[self.quantity], item.target.get("mask")
        prepared = prepare(item.prediction[self.quantity], truth, mask, comparison)
        return {} if prepared is None else {self.id: math.sqrt(prepared.mean_squared_error())}

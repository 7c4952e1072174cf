"""Metrics of the small stranger, well-behaved and otherwise."""

import ctypes
import time
from collections.abc import Iterable, Mapping

import numpy as np

from bench.api import Item, MetricCard
from bench.errors import UnavailableError
from bench.protocol import Comparison


class Difference:
    """Mean absolute difference, over all items it is given."""

    def __init__(self, card: MetricCard) -> None:
        self._card = card

    def __call__(self, items: Iterable[Item], comparison: Comparison) -> Mapping[str, float]:
        name = self._card.quantity
        found = [
            float(np.abs(np.subtract(item.prediction[name], item.target[name])).mean())  # type: ignore[arg-type]
            for item in items
        ]
        return {self._card.scores[0].id: sum(found) / len(found)}


class Seconds(Difference):
    def __call__(self, items: Iterable[Item], comparison: Comparison) -> Mapping[str, float]:
        (item,) = items
        return {self._card.scores[0].id: item.cost["seconds"]}


class _Constant(Difference):
    value: object = 0.0

    def __call__(self, items: Iterable[Item], comparison: Comparison) -> Mapping[str, float]:
        return {self._card.scores[0].id: self.value}  # type: ignore[dict-item]


class Infinite(_Constant):
    value = float("inf")


class Nan(_Constant):
    value = float("nan")


class Text(_Constant):
    value = "good"


class Raises(Difference):
    def __call__(self, items: Iterable[Item], comparison: Comparison) -> Mapping[str, float]:
        raise ZeroDivisionError("nothing inside")


class Segfaults(Difference):
    def __call__(self, items: Iterable[Item], comparison: Comparison) -> Mapping[str, float]:
        ctypes.string_at(0)
        return {}


class Unavailable(Difference):
    def __call__(self, items: Iterable[Item], comparison: Comparison) -> Mapping[str, float]:
        raise UnavailableError("weights are not here; run: fetch-weights")


class Fills(Difference):
    def __call__(self, items: Iterable[Item], comparison: Comparison) -> Mapping[str, float]:
        raise MemoryError


class Hangs(Difference):
    def __call__(self, items: Iterable[Item], comparison: Comparison) -> Mapping[str, float]:
        time.sleep(600)
        return {}

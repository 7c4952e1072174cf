"""Angular error statistics of one item."""

from collections.abc import Iterable, Mapping

import numpy as np
from numpy.typing import NDArray

from bench.api import Item, MetricCard
from bench.graphics.normals import angular_error_degrees
from bench.protocol import Comparison
from bench.protocol.apply import prepare_known

THRESHOLDS = ("11.25", "22.5", "30")


def statistics(degrees: NDArray[np.float64]) -> dict[str, float]:
    """Mean, median (of two middle values, their mean) and % strictly below each threshold."""
    within = {
        f"normal.within_{threshold}": 100 * float(np.mean(degrees < float(threshold)))
        for threshold in THRESHOLDS
    }
    mean, median = float(degrees.mean()), float(np.median(degrees))
    return {"normal.mae": mean, "normal.median": median, **within}


class NormalError:
    """Angles between normals of any length, over inside pixels that both know.

    A prediction may leave pixels unknown; `normal.coverage` tells how many it answered. Raises
    `InvalidValueError` of kind "missing" where it answered none.
    """

    def __init__(self, card: MetricCard) -> None:
        self.card = card

    def __call__(self, items: Iterable[Item], comparison: Comparison) -> Mapping[str, float]:
        (item,) = items
        known = prepare_known(
            item.prediction["normal"], item.target["normal"], item.target.get("mask"), comparison
        )
        if known is None:
            return {}
        prepared, share = known
        degrees = angular_error_degrees(prepared.prediction, prepared.target)  # N×1
        return statistics(degrees) | {"normal.coverage": 100 * share}

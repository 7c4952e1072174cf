"""Angular error statistics of one item, or of a unit of items."""

from collections.abc import Iterable, Mapping

import numpy as np

from bench.api import Item, MetricCard
from bench.graphics.normals import angular_error_degrees
from bench.protocol import Comparison
from bench.protocol.apply import Float64, Prepared, pair, prepare_known_unit

THRESHOLDS = ("11.25", "22.5", "30")

UNKNOWN_DEGREES = 90.0
"""What a normal that is not predicted (zero) is off by: also its dot product with any is 0."""


def statistics(degrees: Float64) -> dict[str, float]:
    """What N angles amount to: degrees, % strictly below each threshold, mean of 1 − cos θ.

    The median of an even number is the mean of the two middle ones.
    """
    within = {
        f"normal.within_{threshold}": 100 * float(np.mean(degrees < float(threshold)))
        for threshold in THRESHOLDS
    }
    return {
        "normal.mae": float(degrees.mean()),
        "normal.median": float(np.median(degrees)),
        "normal.rmse": float(np.sqrt(np.mean(degrees**2))),
        # 1 − cos θ loses its digits at small angles.
        "normal.cosine": float(np.mean(2 * np.sin(np.radians(degrees) / 2) ** 2)),
    } | within


def errors(prepared: Prepared) -> Float64:
    """The angles that a mean goes over, N degrees: where the background counts, it is 0 off."""
    degrees = angular_error_degrees(prepared.prediction, prepared.target)[:, 0]  # N
    outside = np.zeros(prepared.pixels - len(degrees))
    return np.concatenate([np.nan_to_num(degrees, nan=UNKNOWN_DEGREES), outside])


class NormalError:
    """Angles between normals of any length, over the inside pixels that the target knows.

    Pixels that the prediction leaves unknown are left out or, where the comparison counts them, 90°
    off (cosine distance 1); `normal.coverage` tells how many it answered. Under "zero-outside" the
    background is 0° off. Coverage of a soft mask does not weigh. Of a unit of several items the
    mean of each one's statistics or, pooled, those of all angles. Raises `InvalidValueError` of
    kind "missing" where the prediction knows no pixel of the target's.
    """

    def __init__(self, card: MetricCard) -> None:
        self.card = card

    def __call__(self, items: Iterable[Item], comparison: Comparison) -> Mapping[str, float]:
        known = prepare_known_unit([pair(item, "normal") for item in items], comparison)
        if known is None:
            return {}
        angles = [errors(part) for part in known[0]]
        groups = [np.concatenate(angles)] if comparison.reduction == "pooled" else angles
        found = [statistics(group) for group in groups]
        means = {score: float(np.mean([one[score] for one in found])) for score in found[0]}
        return means | {"normal.coverage": 100 * known[1]}

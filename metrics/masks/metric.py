"""Intersection over union of one item's mask."""

from collections.abc import Iterable, Mapping

import numpy as np

from bench.api import Item, MetricCard
from bench.protocol import Comparison
from bench.protocol.apply import resize


class MaskOverlap:
    """Pixels inside both masks ÷ pixels inside either, over the whole frame.

    A pixel is inside where its soft mask H×W×1 exceeds the comparison's threshold. A prediction of
    another size is resized by the comparison's rule. Undefined where both masks are empty.
    """

    def __init__(self, card: MetricCard) -> None:
        self.card = card

    def __call__(self, items: Iterable[Item], comparison: Comparison) -> Mapping[str, float]:
        (item,) = items
        truth = np.asarray(item.target["mask"])
        height, width, _ = truth.shape
        found = resize(np.asarray(item.prediction["mask"]), height, width, comparison.resize)
        first, second = found > comparison.threshold, truth > comparison.threshold  # H×W×1
        union = int(np.count_nonzero(first | second))
        return {"mask.iou": int(np.count_nonzero(first & second)) / union} if union else {}

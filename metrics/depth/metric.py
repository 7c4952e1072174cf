"""Depth error of one item."""

import math
from collections.abc import Iterable, Mapping
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from bench.api import Item, MetricCard
from bench.protocol import Comparison
from bench.protocol.apply import Mask, inside_mask, prepare_known
from bench.quantities import Camera


def extent(depth: NDArray[np.floating[Any]], inside: Mask, camera: Camera) -> float:
    """Diagonal of the box, along the camera's axes, around the visible points, in scene units.

    `depth` is H×W×1 and its pixels `inside` H×W bound the box.
    """
    rows, columns = np.nonzero(inside)
    pixels = np.stack([columns + 0.5, rows + 0.5, np.ones(len(rows))])  # 3×N
    points = np.linalg.inv(camera.intrinsics) @ pixels * depth[inside].T  # 3×N
    return float(np.linalg.norm(np.ptp(points, axis=1)))


class DepthError:
    """Root mean squared depth error ÷ extent of the target, over inside pixels that both know.

    A prediction may leave pixels unknown (0); `depth.coverage` tells how many it answered. Raises
    `InvalidValueError` of kind "missing" where it answered none. Undefined for an object that is
    one point.
    """

    def __init__(self, card: MetricCard) -> None:
        self.card = card

    def __call__(self, items: Iterable[Item], comparison: Comparison) -> Mapping[str, float]:
        (item,) = items
        assert item.inputs is not None
        truth, mask = np.asarray(item.target["depth"]), item.target.get("mask")
        known = prepare_known(item.prediction["depth"], truth, mask, comparison)
        if known is None:
            return {}
        prepared, share = known
        inside = inside_mask(mask, truth.shape[:2], comparison) & (truth[..., 0] > 0)
        size = extent(truth, inside, cast(Camera, item.inputs.inputs["camera"]))
        if size == 0:
            return {}
        error = math.sqrt(prepared.mean_squared_error()) / size
        return {"depth.rmse": error, "depth.coverage": 100 * share}

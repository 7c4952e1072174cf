"""Depth errors of one item, of a unit of items, and of a scene with one scale."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from bench.api import Item, MetricCard
from bench.protocol import Comparison
from bench.protocol.apply import (
    Float64,
    Mask,
    Prepared,
    inside_mask,
    pair,
    pooled_error,
    prepare_known,
    prepare_known_unit,
)
from bench.quantities import Camera


def statistics(prediction: Float64, target: Float64, weights: Float64) -> dict[str, float]:
    """Errors of N aligned depths against N true ones, each weighing as `weights` says.

    What is divided by the truth, or takes its logarithm, is of the pixels where it is known (not
    0). Where an aligned depth is not positive it is within no δ, and what takes its logarithm is
    NaN, which the scorer records as a failure of kind "non-finite".
    """
    rmse = math.sqrt(float(np.average((prediction - target) ** 2, weights=weights)))
    known = target > 0
    prediction, target, weights = prediction[known], target[known], weights[known]

    def mean(values: NDArray[Any]) -> float:
        return float(np.average(values, weights=weights))

    return {
        "depth.rmse": rmse,
        "depth.abs_rel": mean(np.abs(prediction - target) / target),
        "depth.sq_rel": mean((prediction - target) ** 2 / target),
        **_logarithmic(prediction, target, weights),
        **{f"depth.delta{k}": mean(_within(prediction, target, 1.25**k)) for k in (1, 2, 3)},
    }


def _logarithmic(prediction: Float64, target: Float64, weights: Float64) -> dict[str, float]:
    if (prediction <= 0).any():
        return dict.fromkeys(("depth.rmse_log", "depth.log10", "depth.silog"), math.nan)
    ratio = np.log(prediction) - np.log(target)
    mean = float(np.average(ratio, weights=weights))
    return {
        "depth.rmse_log": math.sqrt(float(np.average(ratio**2, weights=weights))),
        "depth.log10": float(np.average(np.abs(ratio), weights=weights)) / math.log(10),
        # mean(d²) − mean(d)², written so that rounding cannot make it negative.
        "depth.silog": float(np.average((ratio - mean) ** 2, weights=weights)),
    }


def _within(prediction: Float64, target: Float64, factor: float) -> Mask:
    """Whether max(p/g, g/p) < factor, for any p."""
    return (prediction < factor * target) & (target < factor * prediction)


def compared(parts: Sequence[Prepared]) -> tuple[Float64, Float64, Float64]:
    """(prediction, target, weights) of all pixels that a mean goes over, N each.

    Where the background counts it is one more entry, right, that weighs as many pixels as it has.
    """
    outside = sum(part.pixels - len(part.target) for part in parts)
    one = np.ones(1)
    weights = [np.ones(len(p.target)) if p.weights is None else p.weights for p in parts]
    return (
        np.concatenate([part.prediction[:, 0] for part in parts] + [one]),
        np.concatenate([part.target[:, 0] for part in parts] + [one]),
        np.concatenate([*weights, one * outside]),
    )


class DepthError:
    """Errors after the comparison's alignment, over the inside pixels that the target knows.

    Depths are in scene units. `depth.si_mse` and `depth.si_rmse` are after one least-squares scalar
    whatever the comparison fits. `depth.silog` is the variance of log p − log g (λ = 1), neither
    rooted nor multiplied. Pixels that the prediction leaves unknown (0) are left out or, where the
    comparison counts them, as they are; `depth.coverage` tells how many it answered. Under
    "zero-outside" the background is right. Of a unit of several items the mean of each one's
    errors or, pooled, those of all pixels. Raises `InvalidValueError` of kind "missing" where the
    prediction knows no pixel of the target's.
    """

    def __init__(self, card: MetricCard) -> None:
        self.card = card

    def __call__(self, items: Iterable[Item], comparison: Comparison) -> Mapping[str, float]:
        pairs = [pair(item, "depth") for item in items]
        known = prepare_known_unit(pairs, comparison)
        free = prepare_known_unit(pairs, replace(comparison, scale="scalar"))
        if known is None or free is None:
            return {}
        found = [statistics(*compared(group)) for group in _groups(known[0], comparison)]
        squares = [pooled_error(group) for group in _groups(free[0], comparison)]
        means = {score: float(np.mean([one[score] for one in found])) for score in found[0]}
        return means | {
            "depth.si_mse": float(np.mean(squares)),
            "depth.si_rmse": float(np.mean(np.sqrt(squares))),
            "depth.coverage": 100 * known[1],
        }


class SceneError:
    """Mean squared error of all of a scene's views after one least-squares scalar for them all.

    Pixels are those of `DepthError`; their squares are added over the views, and so is what they
    are divided by: Stanford-ORB's `depth_mse_scene` (specs/metrics.md §3) where its comparison
    divides by the frame.
    """

    def __init__(self, card: MetricCard) -> None:
        self.card = card

    def __call__(self, items: Iterable[Item], comparison: Comparison) -> Mapping[str, float]:
        pairs = [pair(item, "depth") for item in items]
        known = prepare_known_unit(pairs, replace(comparison, scale="scalar", views=0))
        return {} if known is None else {"depth.si_mse_scene": pooled_error(known[0])}


class ExtentError:
    """Root mean squared depth error ÷ extent of the target; pixels are those of `DepthError`.

    Undefined for an object that is one point.
    """

    def __init__(self, card: MetricCard) -> None:
        self.card = card

    def __call__(self, items: Iterable[Item], comparison: Comparison) -> Mapping[str, float]:
        (item,) = items
        assert item.inputs is not None
        predicted, truth, mask = pair(item, "depth")
        known = prepare_known(predicted, truth, mask, comparison)
        if known is None:
            return {}
        truth = np.asarray(truth)
        inside = inside_mask(mask, truth.shape[:2], comparison) & (truth[..., 0] > 0)
        size = extent(truth, inside, cast(Camera, item.inputs.inputs["camera"]))
        error = math.sqrt(known[0].mean_squared_error())
        return {"depth.rmse_extent": error / size} if size > 0 else {}


def extent(depth: NDArray[np.floating[Any]], inside: Mask, camera: Camera) -> float:
    """Diagonal of the box, along the camera's axes, around the visible points, in scene units.

    `depth` is H×W×1 and its pixels `inside` H×W bound the box.
    """
    rows, columns = np.nonzero(inside)
    pixels = np.stack([columns + 0.5, rows + 0.5, np.ones(len(rows))])  # 3×N
    points = np.linalg.inv(camera.intrinsics) @ pixels * depth[inside].T  # 3×N
    return float(np.linalg.norm(np.ptp(points, axis=1)))


def _groups(parts: Sequence[Prepared], comparison: Comparison) -> list[Sequence[Prepared]]:
    return [parts] if comparison.reduction == "pooled" else [[part] for part in parts]

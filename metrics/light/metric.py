"""Errors of the environment of one item, in the target's frame."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import lru_cache
from typing import cast

import numpy as np

from bench.api import Item, MetricCard
from bench.errors import DataError
from bench.graphics.environments import directions, resample, solid_angles, to_frame
from bench.graphics.spherical_harmonics import fibonacci_directions
from bench.protocol import Comparison
from bench.protocol.apply import Float64, match
from bench.quantities import Camera, Environment

# Normals of the sphere on which irradiance is compared, spread evenly.
SPHERE = 128


def root_mean_square(prediction: Float64, target: Float64, weights: Float64) -> float:
    """Weighted RMS difference of lists N×C, per element: the mean is over channels too."""
    squared = ((prediction - target) ** 2).mean(axis=-1)  # N
    return math.sqrt(float(np.average(squared, weights=weights)))


def colour_angle(prediction: Float64, target: Float64, weights: Float64) -> float | None:
    """Weighted mean angle between RGB vectors of lists N×3, degrees in [0, 90].

    Black has no colour: pixels where the target is black are left out, and a black prediction of
    one that is not is 90° off. None where all of the target is black.
    """
    lengths = np.linalg.norm(prediction, axis=-1) * np.linalg.norm(target, axis=-1)  # N
    cosine = np.einsum("nc,nc->n", prediction, target) / np.where(lengths > 0, lengths, 1)
    lit = weights * target.any(axis=-1)
    if not lit.any():
        return None
    return float(np.average(np.degrees(np.arccos(np.clip(cosine, 0, 1))), weights=lit))


def sphere_shading(radiance: Float64) -> Float64:
    """Irradiance ÷ π of an environment H×W×3 on `SPHERE` evenly spread normals, SPHERE×3.

    A larger environment is first averaged to 32×64: the clamped cosine sees no finer detail.
    """
    height, width = min(radiance.shape[0], 32), min(radiance.shape[1], 64)
    if radiance.shape[:2] != (height, width):
        radiance = np.asarray(resample(radiance, height, width))
    return _transport(height, width) @ radiance.reshape(-1, 3)


@lru_cache(maxsize=4)
def _transport(height: int, width: int) -> Float64:
    """Clamped cosine × solid angle ÷ π, SPHERE×HW: a row per normal, SPHERE×HW."""
    cosines = fibonacci_directions(SPHERE) @ directions(height, width).reshape(-1, 3).T
    weights = np.repeat(solid_angles(height, width), width)  # HW
    return np.asarray(np.maximum(cosines, 0) * weights / math.pi)


def scale_invariant(comparison: Comparison) -> Comparison:
    """The comparison itself, or with one scalar where it fits no scale."""
    return replace(comparison, scale="scalar") if comparison.scale == "none" else comparison


class LightError:
    """Radiance error, colour angle and irradiance error under solid-angle weights.

    The prediction is turned into the target's frame, then resampled to its size with solid-angle
    weights. `light.rmse` is without a scale whatever the comparison fits; each other error fits the
    comparison's scale to what it compares, the two si- ones a scalar where it fits none. Raises
    `DataError` where the frames differ and the dataset offers no camera.
    """

    def __init__(self, card: MetricCard) -> None:
        self.card = card

    def __call__(self, items: Iterable[Item], comparison: Comparison) -> Mapping[str, float]:
        (item,) = items
        predicted, target = _radiances(item)
        height, width, _ = target.shape
        weights = np.repeat(solid_angles(height, width), width)  # HW
        lists = predicted.reshape(-1, 3), target.reshape(-1, 3)  # HW×3
        free = scale_invariant(comparison)
        given = match(*lists, replace(comparison, scale="none"), weights)
        shaded = match(sphere_shading(predicted), sphere_shading(target), free)
        angle = colour_angle(*match(*lists, comparison, weights), weights)
        return {
            "light.rmse": root_mean_square(*given, weights),
            "light.si_rmse": root_mean_square(*match(*lists, free, weights), weights),
            "light.irradiance": root_mean_square(*shaded, np.ones(SPHERE)),
        } | ({} if angle is None else {"light.angular": angle})


def _radiances(item: Item) -> tuple[Float64, Float64]:
    """(prediction, target), both H×W×3 in the frame and size of the target."""
    truth = cast(Environment, item.target["environment"])
    predicted = cast(Environment, item.prediction["environment"])
    if predicted.frame != truth.frame:
        predicted = to_frame(predicted, truth.frame, _camera(item))
    target = np.asarray(truth.radiance, np.float64)
    radiance = np.asarray(predicted.radiance, np.float64)
    if radiance.shape != target.shape:
        radiance = np.asarray(resample(radiance, *target.shape[:2]))
    return radiance, target


def _camera(item: Item) -> Camera:
    if item.inputs is None or "camera" not in item.inputs.inputs:
        raise DataError(
            f"{'/'.join(item.key)}: the predicted and the true environment have different frames "
            "and the dataset offers no camera to turn one into the other"
        )
    return cast(Camera, item.inputs.inputs["camera"])

"""Errors of the light's spherical harmonics of one item, in the camera frame."""

from collections.abc import Iterable, Mapping

import numpy as np

from bench.api import Item, MetricCard
from bench.errors import InvalidValueError
from bench.graphics.normals import angular_error_degrees
from bench.graphics.spherical_harmonics import fibonacci_directions, shade
from bench.metrics.light.metric import SPHERE, root_mean_square, scale_invariant
from bench.protocol import Comparison
from bench.protocol.apply import Float64, match


def dominant_angle(prediction: Float64, target: Float64) -> float | None:
    """Degrees in [0, 180] between the directions that K×3 coefficients are brightest in.

    The direction is that of order 1, the mean of the channels. A prediction without one is 90° off;
    None where the target has none.
    """
    first, second = (rows[1:4].mean(axis=1) for rows in (prediction, target))  # 3: y, z, x
    if len(second) < 3 or not second.any():
        return None
    return float(np.nan_to_num(angular_error_degrees(first, second), nan=90.0)[0])


def hemisphere_shading(light_sh: Float64) -> Float64:
    """Irradiance ÷ π of coefficients K×3 at evenly spread normals that face the viewer, N×3."""
    normals = fibonacci_directions(2 * SPHERE)  # 2N×3
    return shade(normals[normals[:, 2] > 0], light_sh)


class CoefficientError:
    """Coefficient RMSE, irradiance RMSE over a hemisphere, and angle between main directions.

    Both RMSE are after the comparison's scale, one scalar where it fits none, and per element.
    Raises `InvalidValueError` of kind "shape" where the orders differ.
    """

    def __init__(self, card: MetricCard) -> None:
        self.card = card

    def __call__(self, items: Iterable[Item], comparison: Comparison) -> Mapping[str, float]:
        (item,) = items
        predicted, target = (
            np.asarray(values["light_sh"], np.float64) for values in (item.prediction, item.target)
        )
        if predicted.shape != target.shape:
            raise InvalidValueError(
                "shape", f"light_sh: {predicted.shape} coefficients, the target {target.shape}"
            )
        free = scale_invariant(comparison)
        pair = match(predicted, target, free)
        shaded = match(hemisphere_shading(predicted), hemisphere_shading(target), free)
        angle = dominant_angle(predicted, target)
        return {
            "light.sh_rmse": root_mean_square(*pair, np.ones(len(target))),
            "light.sh_irradiance": root_mean_square(*shaded, np.ones(len(shaded[0]))),
        } | ({} if angle is None else {"light.sh_angle": angle})

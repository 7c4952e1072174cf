"""Errors of one distant light per image, as in uncalibrated photometric stereo."""

from collections.abc import Iterable, Mapping

import numpy as np

from bench.api import Item, MetricCard
from bench.errors import InvalidValueError
from bench.graphics.normals import angular_error_degrees
from bench.protocol import Comparison
from bench.protocol.apply import Float64

_LEAST = 1e-8


def intensity_error(prediction: Float64, target: Float64) -> float:
    """Mean |e − s ê| ÷ (e + 1e-8) of N lights' intensities N×3, s by least squares.

    e and ê are ÷ those of the first light, channel by channel; all channels share s.

    Raises:
        InvalidValueError: of kind "range" where the first light has no intensity.
    """
    if not (prediction[0] > 0).all() or not (target[0] > 0).all():
        raise InvalidValueError("range", "light_intensity: the scene's first light is dark")
    found, wanted = prediction / prediction[0], target / target[0]  # N×3
    scale = float((found * wanted).sum() / (found**2).sum())
    return float(np.mean(np.abs(wanted - scale * found) / (wanted + _LEAST)))


class DirectionError:
    """Angle between predicted and true direction, degrees; 90 where none was predicted (zero)."""

    def __init__(self, card: MetricCard) -> None:
        self.card = card

    def __call__(self, items: Iterable[Item], comparison: Comparison) -> Mapping[str, float]:
        (item,) = items
        found, truth = (
            np.asarray(values["light_direction"]) for values in (item.prediction, item.target)
        )
        if not truth.any():
            return {}
        angle = angular_error_degrees(found, truth)  # 1
        return {"light.direction": float(np.nan_to_num(angle, nan=90.0)[0])}


class IntensityError:
    """`intensity_error` of a scene's images: the first is the scene's first."""

    def __init__(self, card: MetricCard) -> None:
        self.card = card

    def __call__(self, items: Iterable[Item], comparison: Comparison) -> Mapping[str, float]:
        pairs = [
            (item.prediction["light_intensity"], item.target["light_intensity"]) for item in items
        ]
        found, truth = (np.array(values, np.float64) for values in zip(*pairs, strict=True))  # N×3
        return {"light.intensity": intensity_error(found, truth)}

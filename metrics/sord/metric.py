"""The official scores of one item (specs/vase_derenderer.md §7.1, specs/metrics.md §2.3, §8, §9).

The script reads 8-bit files; here quantities are encoded as those files hold them, and cut down to
8 bit where the comparison says so. Pixels of normals and albedo weigh as much as the soft mask of
the truth × the front strip that was predicted. Where a method predicts no `front`, the true strip
stands in, where the dataset knows it, and else the mask counts alone.

One thing is left out: at soft edges the files average the object with white; here both sides are
the object's own, which lowers the normal score by 0.06° in the mean (24 rendered vases).
"""

import math
from collections.abc import Iterable, Mapping
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from bench.api import Item, MetricCard
from bench.errors import DataError, InvalidValueError
from bench.graphics.environments import resample, to_frame
from bench.graphics.normals import angular_error_degrees, opencv_from_camera
from bench.protocol import Comparison
from bench.protocol.apply import prepare, resize
from bench.protocol.scales import fit_scale
from bench.protocol.showing import Float64, show
from bench.quantities import Camera, Environment, Value

UNKNOWN_DEGREES = 90.0
"""What a normal that is not predicted (zero) is off by: also its dot product with any is 0."""


class _OneScore:
    def __init__(self, card: MetricCard) -> None:
        self.quantity, self.id = card.quantity, card.scores[0].id

    def __call__(self, items: Iterable[Item], comparison: Comparison) -> Mapping[str, float]:
        (item,) = items
        value = self.value(item, comparison)
        return {} if value is None else {self.id: value}

    def value(self, item: Item, comparison: Comparison) -> float | None:
        """The score; None where the truth defines none."""
        raise NotImplementedError


class AlbedoError(_OneScore):
    """Scale-invariant mean squared error of the albedo, over channels too."""

    def value(self, item: Item, comparison: Comparison) -> float | None:
        truth, weights = item.target["albedo"], weights_of(item, comparison)
        if weights is None:
            return None
        prepared = prepare(item.prediction["albedo"], truth, weights, comparison)
        return None if prepared is None else prepared.mean_squared_error()


class NormalError(_OneScore):
    """Weighted mean angle in degrees.

    Where the comparison has levels, the inward OpenCV normals are stored as (n + 1)/2 and decoded
    without bringing them back to unit length, so that even a perfect prediction is several degrees
    off. Where it has none, unit vectors are compared.
    """

    def value(self, item: Item, comparison: Comparison) -> float | None:
        weights = weights_of(item, comparison)
        if weights is None:
            return None
        pair = (np.asarray(values["normal"]) for values in (item.prediction, item.target))
        predicted, target = (inward(normals) for normals in pair)
        weights = weights * target.any(axis=-1, keepdims=True)
        if not weights.any():
            return None
        angle = stored_angle if comparison.levels is not None else unit_angle
        degrees = angle(predicted, target, comparison)  # H×W×1
        return float(np.average(degrees, weights=weights))


class FrontShare(_OneScore):
    """How much of the true mask the predicted front strip keeps to be scored, in %."""

    def value(self, item: Item, comparison: Comparison) -> float | None:
        weights = weights_of(item, comparison)
        if weights is None:
            return None
        return 100 * float(weights.sum() / np.asarray(item.target["mask"], np.float64).sum())


class PitchError(_OneScore):
    """Absolute error in degrees; its mean over items is what the script calls an RMSE."""

    def value(self, item: Item, comparison: Comparison) -> float | None:
        found, truth = (np.asarray(v["pitch"]).item() for v in (item.prediction, item.target))
        return abs(float(found) - float(truth))


class ShininessError(_OneScore):
    """Absolute error of the Phong exponent α that stands for the median roughness."""

    def value(self, item: Item, comparison: Comparison) -> float | None:
        found, truth = medians(item, "roughness", comparison)
        return None if truth is None else abs(shininess(found) - shininess(truth))


class SpecularError(_OneScore):
    """Absolute error of the specular albedo ks = π × the median reflectance."""

    def value(self, item: Item, comparison: Comparison) -> float | None:
        found, truth = medians(item, "specular", comparison)
        return None if truth is None else math.pi * abs(found - truth)


class LightError(_OneScore):
    """Scale-invariant mean squared error of the environment's half on the camera's side.

    Both are one channel in the method's own axes, stored as E = π/25 × radiance; the prediction is
    resized to the truth. No solid angles.
    """

    def value(self, item: Item, comparison: Comparison) -> float | None:
        truth, found = (
            show(own_axes(in_camera_frame(values["environment"], item)), comparison)  # h×w×1
            for values in (item.target, item.prediction)
        )
        height, width, _ = truth.shape
        found = resize(found, height, width, comparison.resize)
        left = slice(0, width // 2)
        first, second = (light[:, left].reshape(-1, 1) for light in (found, truth))  # N×1
        gain = fit_scale(first, second, comparison.scale)
        return float(np.mean((first * gain.scale - second) ** 2))


def weights_of(item: Item, comparison: Comparison) -> Float64 | None:
    """Mask of the truth × front strip, H×W×1 in [0, 1]; None where the mask is empty.

    Raises:
        InvalidValueError: of kind "missing" where the predicted strip misses the object.
    """
    mask = np.asarray(item.target["mask"], np.float64)
    if not mask.any():
        return None
    front = item.prediction.get("front", item.target.get("front"))
    if front is None:
        return mask
    height, width, _ = mask.shape
    weights = mask * resize(np.asarray(front), height, width, comparison.resize)
    if not weights.any():
        raise InvalidValueError("missing", "the predicted front covers nothing of the object")
    return np.asarray(weights)


def inward(normals: NDArray[Any]) -> Float64:
    """Outward normals H×W×3 of the camera frame → inward ones in OpenCV axes."""
    return np.asarray(-opencv_from_camera(normals.astype(np.float64)))


def stored_angle(predicted: Float64, target: Float64, comparison: Comparison) -> Float64:
    """Arc cosine of the product of decoded files, H×W×1 degrees."""
    first, second = (2 * show((n + 1) / 2, comparison) - 1 for n in (predicted, target))
    cosine = np.sum(first * second, axis=-1, keepdims=True)  # H×W×1
    return np.asarray(np.degrees(np.arccos(np.clip(cosine, -1, 1))))


def unit_angle(predicted: Float64, target: Float64, comparison: Comparison) -> Float64:
    """Angle between directions, H×W×1 degrees."""
    return np.nan_to_num(angular_error_degrees(predicted, target), nan=UNKNOWN_DEGREES)


def medians(item: Item, quantity: str, comparison: Comparison) -> tuple[float, float | None]:
    """Median of a map inside the mask: predicted, true; no truth where the mask is empty.

    The script compares one number per image; a map that is constant on the object gives it back.
    """
    mask = np.asarray(item.target["mask"])
    inside = mask > comparison.threshold  # H×W×1
    if not inside.any():
        return 0.0, None
    found, truth = (np.asarray(v[quantity])[inside] for v in (item.prediction, item.target))
    return float(np.median(found)), float(np.median(truth))


def shininess(roughness: float) -> float:
    """Phong exponent α of a perceptual roughness; ∞ for a mirror."""
    import torch

    from bench.graphics.phong import shininess_from_roughness

    return float(shininess_from_roughness(torch.tensor(roughness, dtype=torch.float64)))


def in_camera_frame(value: Value, item: Item) -> NDArray[Any]:
    """Radiance H×W×3 in the camera frame.

    Raises:
        DataError: where it is in the world frame and the dataset offers no camera.
    """
    environment = cast(Environment, value)
    if environment.frame == "world":
        camera = None if item.inputs is None else item.inputs.inputs.get("camera")
        if not isinstance(camera, Camera):
            raise DataError(
                f"{'/'.join(item.key)}: an environment is in the world frame and the dataset "
                "offers no camera to turn it by"
            )
        environment = to_frame(environment, "camera", camera)
    return environment.radiance


def own_axes(radiance: NDArray[Any]) -> Float64:
    """Radiance H×W×3 → E as the method stores it, H×W×1: the mean of the channels.

    Columns are permuted; where their number is no multiple of four, they are resampled first.
    """
    import torch

    from bench.graphics.phong import from_lat_long

    height, width, _ = radiance.shape
    if width % 4:
        radiance = resample(radiance, height, width + -width % 4)
    light = from_lat_long(torch.from_numpy(radiance.astype(np.float64)))  # H×W
    return np.asarray(light)[..., None]  # H×W×1

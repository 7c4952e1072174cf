"""The floors; NumPy alone, so that their workers start at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.api import Prediction, Query, Sample
from bench.errors import DataError
from bench.graphics.environments import irradiance, resample
from bench.graphics.spherical_harmonics import fibonacci_directions
from bench.quantities import Environment, Values

Floating = NDArray[np.floating[Any]]
Float32 = NDArray[np.float32]

ALBEDO = 0.5
"""The grey that stands for any surface where a scale is needed."""

_MAP = (8, 16)


class _Floor:
    """Without options or device, one sample after the other."""

    def __init__(self, options: Mapping[str, Any], device: str) -> None:
        pass

    def predict(self, samples: Sequence[Sample]) -> Sequence[Prediction]:
        """Answer for each sample by itself."""
        return [self._one(sample) for sample in samples]

    def _one(self, sample: Sample) -> Prediction:
        raise NotImplementedError


class Flat(_Floor):
    """Albedo 0.5, normals toward the viewer, and the ambient light that gives the mean colour."""

    def _one(self, sample: Sample) -> Prediction:
        image, inside = _array(sample.inputs, "image"), _inside(sample.inputs)
        shading = _mean_colour(image, inside) / ALBEDO  # 3
        return {
            "normal": _filled(inside, np.array([0.0, 0.0, 1.0])),
            "albedo": _filled(inside, np.full(3, ALBEDO)),
            "shading": _filled(inside, shading),
            "light_sh": _ambient(shading),
            "environment": Environment(_map(shading), "camera"),
            **{query.id: self._relit(query, inside) for query in sample.queries},
        }

    def _relit(self, query: Query, inside: NDArray[np.bool_]) -> Float32:
        """0.5 × the shading of a normal toward the viewer under the asked environment."""
        radiance = _in_camera_frame(query)
        towards_viewer = np.array([[0.0, 0.0, 1.0]])
        return _filled(inside, ALBEDO * irradiance(radiance, towards_viewer)[0] / np.pi)


class ImageAsAlbedo(_Floor):
    """Nothing is explained: all of the image is the surface's own."""

    def _one(self, sample: Sample) -> Prediction:
        image = _array(sample.inputs, "image").astype(np.float32)
        return {"albedo": image, "shading": np.ones_like(image)}


class CopyInput(_Floor):
    """Every answer is the input."""

    def _one(self, sample: Sample) -> Prediction:
        image = _array(sample.inputs, "image").astype(np.float32)
        return {query.id: image.copy() for query in sample.queries}


class MeanColourGain(_Floor):
    """The input times one gain per channel.

    By a reference photo: the ratio of mean colours, the photo's over what is given of it. By an
    environment: the input is taken for a surface of albedo 0.5 whose visible normals are evenly
    spread, so that its mean should be half the mean shading of the hemisphere toward the viewer.
    """

    def _one(self, sample: Sample) -> Prediction:
        image = _array(sample.inputs, "image")
        before = _mean_colour(image, _inside(sample.inputs))  # 3
        answers = {}
        for query in sample.queries:
            gain = self._wanted(query) / np.maximum(before, 1e-6)
            answers[query.id] = (image * gain).astype(np.float32)
        return answers

    def _wanted(self, query: Query) -> Floating:
        """The mean colour 3 that the answer should have."""
        if "reference" not in query.condition:
            normals = fibonacci_directions(512)
            shading = irradiance(_in_camera_frame(query), normals[normals[:, 2] > 0]) / np.pi
            return np.asarray(ALBEDO * shading.mean(axis=0))
        reference = _array(query.condition, "reference")
        if "reference_mask" in query.condition:
            return _mean_colour(reference, _array(query.condition, "reference_mask")[..., 0] > 0.5)
        return _mean_colour(reference, np.ones(reference.shape[:2], bool))


def _array(values: Values, name: str) -> Floating:
    value = values[name]
    if not isinstance(value, np.ndarray):
        raise DataError(f"{name}: expected an array, got {type(value).__name__}")
    return value


def _inside(inputs: Values) -> NDArray[np.bool_]:
    inside: NDArray[np.bool_] = _array(inputs, "mask")[..., 0] > 0.5  # H×W
    return inside


def _mean_colour(image: Floating, inside: NDArray[np.bool_]) -> Floating:
    """Mean of H×W×3 over H×W; zeros where nothing is inside."""
    if not inside.any():
        return np.zeros(3)
    return np.asarray(image[inside].mean(axis=0, dtype=np.float64))


def _filled(inside: NDArray[np.bool_], colour: Floating) -> Float32:
    """`colour` inside, zeros outside, H×W×3."""
    return np.where(inside[..., None], colour, 0).astype(np.float32)


def _ambient(radiance: Floating) -> Float32:
    """Coefficients 9×3 of constant radiance: Y₀₀ = 1/√4π, so L₀₀ = √4π L."""
    light = np.zeros((9, 3), np.float32)
    light[0] = np.sqrt(4 * np.pi) * radiance
    return light


def _map(radiance: Floating) -> Float32:
    return np.broadcast_to(radiance, (*_MAP, 3)).astype(np.float32)


def _in_camera_frame(query: Query) -> Floating:
    environment = query.condition["environment"]
    if not isinstance(environment, Environment) or environment.frame != "camera":
        raise DataError(f"{query.id}: needs an environment in the camera's frame")
    radiance = environment.radiance
    return resample(radiance, 32, 64) if radiance.shape[0] > 32 else radiance

"""Rows the scorer makes from the truth: what a perfect Lambertian explanation scores, and noise."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from bench.api import Key, Prediction, RerenderingDataset, Sample, Targets
from bench.graphics.environments import directions, solid_angles
from bench.graphics.normals import world_from_camera
from bench.graphics.shading import lambertian
from bench.quantities import Camera, Environment, Value

if TYPE_CHECKING:
    from bench.quantities import Array

_BLOCK = 4
_CHUNK = 512  # rows of cosines that stay in the cache
_KNOWN = ("normal", "depth", "roughness", "specular", "environment", "front", "pitch")


class Oracle:
    """True normals, albedo and light under Lambert's law: no shadows, interreflection or gloss."""

    def predict(self, sample: Sample, targets: Targets) -> Prediction:
        """The truth where it is a quantity, and albedo × clamped-cosine shading for `relit`."""
        truth = targets.quantities
        normal, albedo = np.asarray(truth["normal"]), np.asarray(truth["albedo"])
        camera = sample.inputs.get("camera")
        found: dict[str, Value] = {name: truth[name] for name in _KNOWN if name in truth}
        found |= {"albedo": albedo, "shading": _shaded(normal, truth["environment"], camera)}
        for query in sample.queries:
            if query.quantity == "relit" and "environment" in query.condition:
                shading = _shaded(normal, query.condition["environment"], camera)
                found[query.id] = (albedo * shading).astype(np.float32)
        return found


def _shaded(normal: Array, environment: Value, camera: Value | None) -> Array:
    """Shading H×W×3 under a light of either frame; 0 where the normal is unknown."""
    assert isinstance(environment, Environment)  # validated where the dataset is read
    known = normal.any(axis=-1)  # H×W
    normals = normal[known]  # N×3
    if environment.frame == "world":
        assert isinstance(camera, Camera)  # a world frame presupposes a camera
        # Turning the normals is exact; turning the map would resample a sun of one pixel.
        normals = world_from_camera(normals, camera)
    shading = np.zeros(normal.shape, np.float32)
    shading[known] = lambertian_in_blocks(normals.astype(np.float32), environment.radiance)
    return shading


def lambertian_in_blocks(normals: Array, radiance: Array) -> Array:
    """Irradiance ÷ π at unit normals N×3 under H×W×3: `shading.lambertian`, several times faster.

    Each block of 4×4 pixels acts as one light, the sum of its pixels' vectors. The clamped cosine
    is linear where all of a block is above the horizon, so that only blocks on it are approximate:
    0.3 % of the brightest on 64×128.
    """
    height, width, _ = radiance.shape
    if height % _BLOCK or width % _BLOCK:
        return lambertian(normals, radiance)
    power = radiance * solid_angles(height, width)[..., None]  # H×W×3
    pixels = directions(height, width)[..., None] * power[..., None, :]  # H×W×3 axes×3 channels
    blocks = pixels.reshape(height // _BLOCK, _BLOCK, width // _BLOCK, _BLOCK, 3, 3).sum((1, 3))
    lights = blocks.reshape(-1, 3, 3).astype(normals.dtype)  # B×3 axes×3 channels
    shading = np.empty((len(normals), 3), normals.dtype)
    everyone = np.full(lights.shape[0], 1 / np.pi, normals.dtype)  # B
    for start in range(0, len(normals), _CHUNK):
        rows = slice(start, start + _CHUNK)
        for channel in range(3):
            cosines = normals[rows] @ lights[..., channel].T  # n×B
            shading[rows, channel] = np.maximum(cosines, 0, out=cosines) @ everyone
    return shading


class RenderNoise:
    """The scores of the truth itself, rendered again with other random numbers."""

    def predict(self, dataset: RerenderingDataset, split: str, key: Key) -> Prediction:
        """What the dataset renders anew."""
        return dataset.rerendered(split, key)

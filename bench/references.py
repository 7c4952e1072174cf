"""Rows the scorer makes from the truth: what a perfect Lambertian explanation scores, and noise."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from bench.api import Key, Prediction, RerenderingDataset, Sample, Targets
from bench.graphics.normals import world_from_camera
from bench.graphics.shading import lambertian
from bench.quantities import Camera, Environment, Value

if TYPE_CHECKING:
    from bench.quantities import Array

_KNOWN = ("normal", "depth", "roughness", "specular", "environment")


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
    shading[known] = lambertian(normals, environment.radiance)
    return shading


class RenderNoise:
    """The scores of the truth itself, rendered again with other random numbers."""

    def predict(self, dataset: RerenderingDataset, split: str, key: Key) -> Prediction:
        """What the dataset renders anew."""
        return dataset.rerendered(split, key)

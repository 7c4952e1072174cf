"""Scenes of a bright ball-like patch, of which everything follows from scene and item number."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from bench.api import Key, Query, Sample, Targets
from bench.errors import DataError
from bench.quantities import Camera, Environment


class Tiny:
    """`fault` befalls the item named by `on`: corrupt, nan, mask, normals, query, raise, target."""

    def __init__(self, options: Mapping[str, Any]) -> None:
        self._options = options
        if options["fault"] == "cannot open":
            raise RuntimeError("no such archive")

    def samples(self, split: str) -> Sequence[Key]:
        if split != "all":
            raise DataError(f"tiny has no split {split!r}; valid: all")
        scenes, items = self._options["scenes"], self._options["items"]
        return [Key(f"scene{s}", f"item{i}") for s in range(scenes) for i in range(items)]

    def fingerprint(self, split: str) -> str:
        return "tiny"

    def inputs(self, split: str, key: Key) -> Sample:
        fault, size = self._fault(key), self._options["size"]
        if fault == "corrupt":
            raise DataError(f"{key.scene}-{key.id}.png: truncated")
        if fault == "raise":
            raise RuntimeError("adapter bug")
        image = np.full((size, size, 3), 0.2 + 0.1 * _number(key.scene), np.float32)
        image[0, 0] = np.nan if fault == "nan" else 0.5
        side = size // 2 if fault == "mask" else size
        light = np.zeros((8, 16, 3), np.float32)
        light[4, 12] = np.nan if fault == "query" else 10.0  # toward +x in the world
        view = {"image": image, "camera": _camera(size), "normal": _normal(size)}
        return Sample(
            key.scene,
            key.id,
            {"image": image, "mask": np.ones((side, side, 1), np.float32), "camera": _camera(size)},
            (view,),
            (Query("lamp", "relit", {"environment": Environment(light, "world")}),),
        )

    def targets(self, split: str, key: Key) -> Targets:
        if self._fault(key) == "target":
            raise DataError(f"{key.scene}-{key.id}-normal.exr: corrupt")
        size = self._options["size"]
        normal = _normal(size) * (2 if self._fault(key) == "normals" else 1)
        albedo = np.full((size, size, 3), 0.5, np.float32)
        mask = np.ones((size, size, 1), np.float32)
        answers = {"lamp": {"relit": albedo * 0.5, "mask": mask}}
        return Targets({"normal": normal, "albedo": albedo}, answers)

    def _fault(self, key: Key) -> str:
        fault: str = self._options["fault"]
        return fault if "/".join(key) == self._options["on"] else ""


def _number(name: str) -> int:
    return int("".join(c for c in name if c.isdigit()))


def _normal(size: int) -> np.ndarray[Any, Any]:
    normal = np.zeros((size, size, 3), np.float32)
    normal[..., 2] = 1
    return normal


def _camera(size: int) -> Camera:
    # Looks along the world's +x: the world's +x is behind the picture, −z of the camera frame.
    right, down, forward = (0, 0, 1), (0, -1, 0), (1, 0, 0)
    pose = np.eye(4)
    pose[:3, :3] = np.array([right, down, forward], float).T
    return Camera(np.diag([20.0, 20.0, 1.0]), pose, size, size)

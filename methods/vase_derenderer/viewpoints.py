"""Cameras that look at the object: the photo's own, and those that a query asks for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from bench.errors import DataError
from bench.quantities import Camera

from .configuration import Configuration
from .framing import Framed

# Below this sine of the angle between two axes, where they pass closest means nothing.
_PARALLEL = 1e-3


@dataclass(frozen=True, eq=False)
class Viewpoint:
    """A camera in the model's units.

    Attributes:
        turn: 3×3 float32, object frame → the camera's OpenCV axes.
        position: 3 float32, of the camera in the object frame.
        intrinsics: 3×3 float32 in pixels.
        size: height and width of its picture in pixels.
    """

    turn: Tensor
    position: Tensor
    intrinsics: Tensor
    size: tuple[int, int]

    def to_camera(self, points: Tensor) -> Tensor:
        """Points …×3 of the object frame in the camera's OpenCV coordinates."""
        return (points - self.position.to(points)) @ self.turn.to(points).T


def of_photo(framed: Framed, size: tuple[int, int], configuration: Configuration) -> Viewpoint:
    """The camera that took a photo of `size`: the model's, whose square the photo was padded to."""
    focal = framed.side * configuration.focal / configuration.size
    middle = framed.side / 2
    intrinsics = [[focal, 0, middle - framed.left], [0, focal, middle - framed.top], [0, 0, 1]]
    position = torch.tensor([0.0, 0.0, -configuration.distance])
    return Viewpoint(torch.eye(3), position, torch.tensor(intrinsics), size)


def of_query(camera: Camera, name: str, side: int, configuration: Configuration) -> Viewpoint:
    """The camera of a query, whose pose is relative to that of the photo.

    One photo tells neither focal length nor scale. The focal length is taken to be the query's,
    for the same field of view across the longer side; the object is where the two optical axes
    pass closest, and as large as the photo shows it there.

    Args:
        camera: `camera_to_world` is in the OpenCV axes of the photo's camera, scene units.
        side: of the photo, padded to a square, in pixels.

    Raises:
        DataError: the axes do not meet before both cameras, so that nothing tells the scale.
    """
    pose = np.asarray(camera.camera_to_world, np.float64)
    focal = camera.intrinsics[0, 0] * side / max(camera.height, camera.width)
    distance = configuration.distance * focal / (side * configuration.focal / configuration.size)
    position = pose[:3, 3] * distance / _distance(pose, name)  # 3, model units
    return Viewpoint(
        _float32(pose[:3, :3].T),
        _float32(position - [0, 0, distance]),
        _float32(camera.intrinsics),
        (camera.height, camera.width),
    )


def _distance(pose: NDArray[np.float64], name: str) -> float:
    """How far along the photo's axis z the axis of a camera with this pose passes closest."""
    position, axis = pose[:3, 3], pose[:3, 2]
    cosine = axis[2]
    squared_sine = 1 - cosine**2
    if squared_sine < _PARALLEL**2:
        raise DataError(f"{name}: its axis is parallel to the photo's, so the scale is unknown")
    ahead = (position[2] - cosine * (axis @ position)) / squared_sine
    along = (cosine * position[2] - axis @ position) / squared_sine
    if ahead <= 0 or along <= 0:
        raise DataError(
            f"{name}: does not look at what the photo shows: their axes pass closest behind one of "
            "the cameras, so the scale is unknown"
        )
    return float(ahead)


def _float32(values: NDArray[Any]) -> Tensor:
    return torch.as_tensor(np.asarray(values, np.float32))

"""The camera, the surface and its picture that all rendered vases share (spec §1, §3, §4).

Sources are sections of specs/vase_derenderer.md. The object frame has the camera's OpenCV axes and
its origin at the distance `DISTANCE`; the profile's row 0 is the top.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from bench.graphics import revolution
from bench.graphics.cameras import intrinsics_from_fov
from bench.graphics.rasterisers import rasteriser
from bench.graphics.rasterisers.fragments import (
    Fragments,
    coverage,
    downsample,
    facing,
    interpolate_corners,
)
from bench.quantities import Camera

SIZE = 256
FIELD_OF_VIEW = 10.0
DISTANCE = 5.0
EXTENT = DISTANCE * math.tan(math.radians(FIELD_OF_VIEW / 2))
"""Half of what is visible at the object's distance: the unit of radii and heights."""

ROWS, COLUMNS = 32, 96
FRONT = slice(8, 40)
"""Quad columns of the front strip, ±60° about the line that faces the camera."""


@dataclass(frozen=True, eq=False)
class Surface:
    """A posed vase.

    Attributes:
        vertices: 1×3072×3, OpenCV camera frame.
        centres: of the quads, 1×31×96×3, object frame.
        normals: of the quads, *inward*, 1×31×96×3, object frame.
    """

    vertices: Tensor
    centres: Tensor
    normals: Tensor


def camera() -> Camera:
    """The nominal camera. The world has its origin at the object's and the axes of the bench's
    camera frame (x right, y up, z toward the viewer), so that world and camera directions agree."""
    pose = np.diag([1.0, -1.0, -1.0, 1.0])
    pose[2, 3] = DISTANCE
    return Camera(intrinsics_from_fov(FIELD_OF_VIEW, SIZE, SIZE), pose, SIZE, SIZE)


def surface(curve: NDArray[np.float64], pitch: float) -> Surface:
    """The vase of a profile 32×2 (radius, height) in scene units, tipped by `pitch` degrees."""
    radius, height = torch.from_numpy(curve.astype(np.float32).T)[:, None]  # 1×32 each
    upright = revolution.vertices(radius, height, COLUMNS)  # 1×32×96×3
    angle, zero = torch.tensor([math.radians(pitch)]), torch.zeros(1)
    posed = upright @ revolution.rotation(angle, zero, zero)[:, None].mT  # 1×32×96×3
    centres, normals = revolution.quads(posed)
    offset = torch.tensor([0, 0, DISTANCE])
    return Surface(posed.flatten(1, 2) + offset, centres, normals)


def drawn(shape: Surface, front: bool = False) -> Fragments:
    """What is seen of the whole surface, or of the front strip alone, at twice the size."""
    faces, _ = _topology(front)
    intrinsics = torch.from_numpy(camera().intrinsics).float()
    return rasteriser("reference").rasterise(shape.vertices, faces, intrinsics, (SIZE, SIZE))


def coordinates(fragments: Fragments) -> Tensor:
    """Texture coordinates 1×512×512×2 of the whole surface (§4.1), 0 where nothing is seen."""
    return interpolate_corners(fragments, _topology(False)[1])


def seen_from_outside(shape: Surface, fragments: Fragments) -> Tensor:
    """1×512×512 bool: false at the inner wall, and where nothing is seen."""
    return facing(fragments, shape.vertices, _topology(False)[0])


def front_mask(shape: Surface) -> NDArray[np.float32]:
    """Coverage 256×256×1 of the front strip, drawn alone as the official code does."""
    mask: NDArray[np.float32] = downsample(coverage(drawn(shape, front=True)))[0].numpy()
    return mask


@cache
def _topology(front: bool) -> tuple[Tensor, Tensor]:
    """Faces F×3 and their corners' texture coordinates F×3×2."""
    columns = FRONT if front else None
    return (
        revolution.faces(ROWS, COLUMNS, columns),
        revolution.corner_coordinates(ROWS, COLUMNS, columns),
    )

"""Normals H×W×3 (or ...×3): unit length, zeros where unknown.

The camera frame has x right, y up, z toward the viewer; OpenCV's has x right, y down, z forward.
Every function keeps zeros at zero and the dtype of the normals it is given.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.graphics.cameras import FLIP_YZ, camera_rotation
from bench.quantities import Camera

Floating = NDArray[np.floating[Any]]


def normalise(normals: Floating) -> Floating:
    """Vectors ...×3 of any length → unit length; zeros stay zeros."""
    length = np.linalg.norm(normals, axis=-1, keepdims=True)  # ...×1
    return normals / np.where(length == 0, 1, length).astype(normals.dtype)


def camera_from_world(normals: Floating, camera: Camera) -> Floating:
    """World-space normals ...×3 → the camera frame."""
    return normals @ camera_rotation(camera).astype(normals.dtype)  # rows Rᵀ n


def world_from_camera(normals: Floating, camera: Camera) -> Floating:
    """Camera-frame normals ...×3 → world space."""
    return normals @ camera_rotation(camera).T.astype(normals.dtype)  # rows R n


def opencv_from_camera(normals: Floating) -> Floating:
    """Camera frame (y up, z toward viewer) ↔ OpenCV camera axes (y down, z forward), ...×3."""
    return normals * FLIP_YZ.astype(normals.dtype)


def normals_from_depth(depth: Floating, camera: Camera) -> Floating:
    """Camera-frame normals H×W×3 of a depth map H×W×1 in which 0 is unknown.

    1/depth of a plane is affine in the pixel, (a, b, c)·(u, v, 1), with normal ∝ Kᵀ(a, b, c): the
    fit of that function by central differences, one-sided beside unknown pixels, is exact on planes
    at any slant. Unknown are pixels without depth or without a neighbour along a row or a column.
    A step between two surfaces is bridged.
    """
    known = depth[..., 0] > 0
    inverse = np.where(known, 1 / np.where(known, depth[..., 0].astype(np.float64), 1), 0)  # H×W
    down, known_down = _differences(inverse, known)
    across, known_across = _differences(inverse.T, known.T)
    across, known = across.T, known & known_down & known_across.T
    rows, columns = np.indices(known.shape) + 0.5
    constant = inverse - across * columns - down * rows
    away = np.stack([across, down, constant], axis=-1) @ camera.intrinsics  # rows Kᵀ(a, b, c)
    normals = normalise(opencv_from_camera(-away))
    return np.where(known[..., None], normals, 0).astype(depth.dtype)


def angular_error_degrees(first: Floating, second: Floating) -> NDArray[np.float64]:
    """Angle between vectors ...×3 of any length, ...×1 degrees in [0, 180].

    NaN where either is zero (unknown), so that a forgotten mask shows. Accurate near 0 and 180,
    where the arc cosine is not.
    """
    a, b = np.asarray(first, np.float64), np.asarray(second, np.float64)
    sine = np.linalg.norm(np.cross(a, b), axis=-1, keepdims=True)  # ...×1
    cosine = np.sum(a * b, axis=-1, keepdims=True)  # ...×1
    unknown = ~(a.any(axis=-1, keepdims=True) & b.any(axis=-1, keepdims=True))
    return np.where(unknown, np.nan, np.degrees(np.arctan2(sine, cosine)))


def _differences(values: Floating, known: NDArray[np.bool_]) -> tuple[Floating, NDArray[np.bool_]]:
    """Slope down the rows, the mean of the steps to known neighbours, and where there is one."""
    step = np.diff(values, axis=0)
    usable = known[1:] & known[:-1]
    step = np.where(usable, step, 0)
    total, count = np.zeros_like(values), np.zeros(values.shape)
    total[:-1], count[:-1] = step, usable
    total[1:] += step
    count[1:] += usable
    return total / np.maximum(count, 1), count > 0

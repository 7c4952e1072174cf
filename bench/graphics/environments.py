"""Latitude-longitude environments: H×W×C linear radiance, row 0 = +y.

The pixel at column u, row v (both in [0, 1]) looks along θ = πv, φ = 2π(u − ½),
direction (sinθ sinφ, cosθ, −sinθ cosφ): the middle column is −z, u = ¾ is +x.
Directions and solid angles are float64; radiance keeps its dtype. NaN radiance spreads to whatever
reads it.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.graphics.cameras import camera_rotation
from bench.quantities import Camera, Environment, Frame

Floating = NDArray[np.floating[Any]]

# A chunk that stays in the processor's cache is two to three times as fast as a large one.
CHUNK_BYTES = 2 * 2**20


def directions(height: int, width: int) -> NDArray[np.float64]:
    """Unit vectors H×W×3 through the pixel centres, in the environment's frame."""
    theta = np.pi * (np.arange(height) + 0.5) / height
    phi = 2 * np.pi * ((np.arange(width) + 0.5) / width - 0.5)
    vectors = np.empty((height, width, 3))
    vectors[..., 0] = np.sin(theta)[:, None] * np.sin(phi)
    vectors[..., 1] = np.cos(theta)[:, None]
    vectors[..., 2] = -np.sin(theta)[:, None] * np.cos(phi)
    return vectors


def solid_angles(height: int, width: int) -> NDArray[np.float64]:
    """Exact solid angle in steradians of one pixel of each row, H×1; width × their sum is 4π."""
    cosines = np.cos(np.pi * np.arange(height + 1) / height)
    return (2 * np.pi / width * (cosines[:-1] - cosines[1:]))[:, None]  # H×1


def lookup(radiance: Floating, directions: Floating) -> Floating:
    """Radiance of an environment H×W×C along vectors ...×3 of any length, as ...×C.

    Bilinear between pixel centres, wrapping in azimuth; beyond the first and last row of centres
    the row is held. The zero vector gets the value at +y's row, so mask it.
    """
    height, width, _ = radiance.shape
    x, y, z = np.moveaxis(np.asarray(directions, np.float64), -1, 0)
    column = (np.arctan2(x, -z) / (2 * np.pi) + 0.5) * width - 0.5
    row = np.clip(np.arctan2(np.hypot(x, z), y) / np.pi * height - 0.5, 0, height - 1)
    left, top = np.floor(column).astype(np.intp), np.floor(row).astype(np.intp)
    across = (column - left)[..., None].astype(radiance.dtype)  # ...×1
    down = (row - top)[..., None].astype(radiance.dtype)  # ...×1
    bottom, right = np.minimum(top + 1, height - 1), (left + 1) % width
    left = left % width
    above = radiance[top, left] * (1 - across) + radiance[top, right] * across  # ...×C
    below = radiance[bottom, left] * (1 - across) + radiance[bottom, right] * across  # ...×C
    result: Floating = above * (1 - down) + below * down
    return result


def rotate(radiance: Floating, rotation: Floating) -> Floating:
    """The environment H×W×C turned by R 3×3: what lay along ω lies along R ω, same shape.

    Resampled bilinearly, which moves a light smaller than a pixel by up to a pixel and changes its
    energy; to shade precisely, turn the normals by Rᵀ instead.
    """
    height, width, _ = radiance.shape
    return lookup(radiance, directions(height, width) @ rotation)  # rows Rᵀ ω


def to_frame(environment: Environment, frame: Frame, camera: Camera) -> Environment:
    """The environment expressed in `frame`, turned by the camera's rotation where it must be."""
    if environment.frame == frame:
        return environment
    world_from_camera = camera_rotation(camera)
    rotation = world_from_camera if frame == "world" else world_from_camera.T
    return Environment(radiance=rotate(environment.radiance, rotation), frame=frame)


def resample(radiance: Floating, height: int, width: int) -> Floating:
    """An environment H×W×C at another size: each new pixel is the mean over its solid angle.

    The pixels are taken as constant, so that ∫ L dω is kept exactly, both down and up.
    """
    old_height, old_width, _ = radiance.shape
    rows = _overlaps(-np.cos(np.pi * _edges(height)), -np.cos(np.pi * _edges(old_height)))
    columns = _overlaps(_edges(width), _edges(old_width))
    across = np.einsum("wk,hkc->hwc", columns, radiance, optimize=True)  # H×width×C
    result: Floating = np.einsum("hk,kwc->hwc", rows, across, optimize=True)
    return result.astype(radiance.dtype)  # height×width×C


def irradiance(radiance: Floating, normals: Floating) -> Floating:
    """E(n) = Σ L max(n·ω, 0) dω over all pixels of H×W×C, at unit normals ...×3, as ...×C.

    Direct sum over the pixel centres, without occlusion; normals and environment share one frame.
    An unknown (zero) normal gets 0. Cost grows with pixels × normals, so pass masked normals N×3
    and an environment of about 64×128.
    """
    height, width, channels = radiance.shape
    dtype = normals.dtype
    sources = directions(height, width).reshape(-1, 3).T.astype(dtype)  # 3×HW
    power = (radiance * solid_angles(height, width)[..., None]).reshape(-1, channels).astype(dtype)
    flat = normals.reshape(-1, 3)  # N×3
    result = np.empty((len(flat), channels), dtype)
    step = max(1, CHUNK_BYTES // (sources.shape[1] * dtype.itemsize))
    for start in range(0, len(flat), step):
        cosines = flat[start : start + step] @ sources  # step×HW
        result[start : start + step] = np.maximum(cosines, 0, out=cosines) @ power
    return result.reshape(*normals.shape[:-1], channels)


def _edges(count: int) -> NDArray[np.float64]:
    return np.arange(count + 1) / count


def _overlaps(new: NDArray[np.float64], old: NDArray[np.float64]) -> NDArray[np.float64]:
    """Share of each old cell in each new one, new×old, from ascending edges; rows sum to 1."""
    shared = np.minimum(new[1:, None], old[1:]) - np.maximum(new[:-1, None], old[:-1])
    return np.asarray(np.maximum(shared, 0) / np.diff(new)[:, None])  # new×old

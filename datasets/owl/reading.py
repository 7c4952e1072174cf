"""Files of Objects With Lighting → values (specs/datasets.md §7)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from bench.errors import DataError
from bench.graphics.colour import gamma_decode
from bench.graphics.environments import rotate
from bench.graphics.map_files import Float32, Size, read_map
from bench.graphics.number_files import read_numbers
from bench.quantities import Camera, Environment

ENVIRONMENT_ROWS = 512
"""Larger maps are brought to this height, as the data set's own reduced ones have it."""

_BENCH_FROM_STORED = np.array([[0.0, -1, 0], [0, 0, 1], [-1, 0, 0]])
"""A direction of the stored map → where the same pixel lies when the map is read as ours.

Stored: +z top, +x centre, +y at u = ¼. Ours: +y top, −z centre, −x at u = ¼.
"""

# Rotations are published with about six digits.
_RIGID = 1e-3


def read_photo(path: Path, exposure: float, size: Size) -> Float32:
    """Linear radiance x H×W×3 of a stored 255·(x·2^exposure)^(1/2.2), clipped where that was."""
    shown = gamma_decode(read_map(path, 3, size))
    return np.asarray(shown / 2**exposure, np.float32)


def read_valid(path: Path, size: Size) -> Float32:
    """H×W×1: 1 where a stored mask is 255, which are the pixels to be scored, else 0."""
    return np.asarray(read_map(path, 1, size) == 1, np.float32)


def read_exposure(path: Path) -> float:
    """The exposure, a power of two; from −64 to 64. Raises `DataError`."""
    exposure = float(read_numbers(path, 1, 1)[0, 0])
    if abs(exposure) > 64:
        raise DataError(f"{path}: an exposure of {exposure:g} is beyond ±64")
    return exposure


def read_camera(path: Path) -> Camera:
    """A camera of x = K (R X + t), 8×3 numbers: K, R, t, and width, height, channels.

    Raises:
        DataError: naming file and line, or what is no pinhole camera.
    """
    numbers = read_numbers(path, 8, 3)
    intrinsics, rotation, translation = numbers[:3], numbers[3:6], numbers[6]
    width, height = (int(size) for size in numbers[7, :2])
    if (width, height) != tuple(numbers[7, :2]) or min(width, height) < 1:
        raise DataError(f"{path}: the last line is no width and height in whole pixels")
    if (intrinsics[2] != (0, 0, 1)).any() or min(intrinsics[0, 0], intrinsics[1, 1]) <= 0:
        raise DataError(f"{path}: the first three lines are no intrinsics of a pinhole camera")
    _refuse_skewed(path, rotation)
    pose = np.eye(4)
    pose[:3, :3], pose[:3, 3] = rotation.T, -rotation.T @ translation
    return Camera(intrinsics, pose, height, width)


def read_environment(folder: Path, name: str) -> Environment:
    """The light of one asked-for photo, in the world frame.

    The reduced map, which is in the world's axes already, where it is there; else the full one,
    reduced by area and turned by its world_to_env.

    Raises:
        DataError: naming the file.
    """
    reduced = folder / f"gt_env_512_rotated_{name}.hdr"
    if reduced.is_file():
        return Environment(_turned(_radiance(reduced), np.eye(3)), "world")
    path = folder / f"gt_world_to_env_{name}.txt"
    stored_from_world = read_numbers(path, 4, 4)[:3, :3]
    _refuse_skewed(path, stored_from_world)
    radiance = _radiance(folder / f"gt_env_{name}.hdr")
    return Environment(_turned(radiance, stored_from_world), "world")


def _radiance(path: Path) -> Float32:
    """The stored map H×W×3, H at most `ENVIRONMENT_ROWS`."""
    radiance = read_map(path, 3)
    if not np.isfinite(radiance).all() or radiance.min() < 0:
        raise DataError(f"{path}: holds radiance that is negative, NaN or infinite")
    if len(radiance) <= ENVIRONMENT_ROWS:
        return radiance
    size = (2 * ENVIRONMENT_ROWS, ENVIRONMENT_ROWS)
    return np.asarray(cv2.resize(radiance, size, interpolation=cv2.INTER_AREA), np.float32)


def _turned(radiance: Float32, stored_from_world: NDArray[np.float64]) -> Float32:
    turned = rotate(radiance, (_BENCH_FROM_STORED @ stored_from_world).T)  # H×W×3
    return np.asarray(turned, np.float32)


def _refuse_skewed(path: Path, rotation: NDArray[Any]) -> None:
    bounded = np.clip(rotation, -2, 2)  # keeps a corrupt number from overflowing
    if np.abs(bounded @ bounded.T - np.eye(3)).max() > _RIGID or np.linalg.det(bounded) < 0:
        raise DataError(f"{path}: holds a matrix that is no rotation")

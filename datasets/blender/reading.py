"""Stored pictures → values, at their own size or averaged down (specs/datasets.md §2).

- A .png of 8 bits has straight alpha: colour is sRGB and becomes decode(colour) · alpha, the light
  before black. The papers put white behind it by encode · alpha + (1 − alpha); a protocol puts it
  back outside the mask (`Comparison.background`), so that the two differ at soft edges alone.
- An .exr is linear and already weighted by coverage: it stays as it is where its mask is not 0.
- Albedo, roughness and normals have no transfer curve. They are of the surface: not weighted by
  coverage, zeros where there is none.
- Averaging down is by area, in linear light; what is of the surface is weighted by coverage.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from bench.datasets.blender.layout import WORLD
from bench.errors import DataError
from bench.graphics.colour import srgb_decode
from bench.graphics.image_files import read_image
from bench.graphics.normals import camera_from_world, normalise
from bench.quantities import Camera

Float32 = NDArray[np.float32]


class Picture(NamedTuple):
    """Linear radiance H×W×3 before black, and coverage H×W×1 in [0, 1]."""

    image: Float32
    mask: Float32


def read_picture(path: Path, mask: Path | None, width: int) -> Picture:
    """A picture under one light. Raises `DataError` naming the file.

    Args:
        mask: of an .exr; None for a .png, which holds its own.
        width: pixels to average down to; 0 for the stored ones.
    """
    if mask is None:
        colour, alpha = _straight(path)
        image = srgb_decode(colour).astype(np.float32) * alpha  # H×W×3
    else:
        colour, alpha = _stored(path)[0], read_image(mask)[..., :1]  # H×W×3, H×W×1
        _check_size(mask, alpha, colour.shape[:2])
        image = np.where(alpha > 0, colour, 0).astype(np.float32)  # H×W×3
    return Picture(_area(path, image, width), _area(path, alpha, width).clip(0, 1))


def read_albedo(path: Path, coverage: Float32, width: int) -> Float32:
    """Albedo H×W×3, linear as stored, zeros where nothing is. Raises `DataError`.

    Args:
        coverage: of the view at the wanted size, H×W×1, for a file without alpha.
    """
    values, alpha = _stored(path)
    if values.shape[2] == 1:
        values = np.repeat(values, 3, axis=2)  # H×W×3
    return _of_surface(path, values, alpha, coverage, width)


def read_roughness(path: Path, coverage: Float32, width: int) -> Float32:
    """Perceptual roughness H×W×1 as stored in the first channel, zeros where nothing is."""
    values, alpha = _stored(path)
    return _of_surface(path, values[..., :1], alpha, coverage, width)


def read_normal(path: Path, camera: Camera, premultiplied: bool, width: int) -> Float32:
    """Unit normals H×W×3 in the camera frame from (n + 1)/2 in Blender's world; zeros outside.

    Args:
        camera: of the view, in the bench's world.
        premultiplied: the stored values are multiplied by alpha.

    Raises:
        DataError: naming the file, as it has no alpha among other things.
    """
    stored, alpha = _straight(path)
    divisor = np.where(alpha > 0, alpha, 1) if premultiplied else np.float32(1)
    world = np.where(alpha > 0, 2 * stored / divisor - 1, 0).astype(np.float32)  # H×W×3
    world = _area(path, world * alpha, width)
    _check_size(path, world, (camera.height, camera.width))
    turned = world @ WORLD.T.astype(np.float32)  # rows WORLD n
    return np.asarray(normalise(camera_from_world(turned, camera)), np.float32)


def _of_surface(
    path: Path, values: Float32, alpha: Float32 | None, coverage: Float32, width: int
) -> Float32:
    if alpha is None:
        small = _area(path, values, width)  # h×w×C
        _check_size(path, small, coverage.shape[:2])
        return np.where(coverage > 0, small, 0).astype(np.float32)
    covered = _area(path, alpha, width)  # h×w×1
    _check_size(path, covered, coverage.shape[:2])
    total = _area(path, values * alpha, width)  # h×w×C
    return np.where(covered > 0, total / np.where(covered > 0, covered, 1), 0).astype(np.float32)


def _stored(path: Path) -> tuple[Float32, Float32 | None]:
    """Values H×W×1 or ×3, and alpha H×W×1 where the file has it."""
    stored = read_image(path)
    return stored[..., :3], stored[..., 3:] if stored.shape[2] == 4 else None


def _straight(path: Path) -> tuple[Float32, Float32]:
    """RGB H×W×3 and alpha H×W×1."""
    values, alpha = _stored(path)
    if alpha is None:
        raise DataError(f"{path}: {values.shape[2]} channels instead of RGB and alpha")
    return values, alpha


def _area(path: Path, values: Float32, width: int) -> Float32:
    """The mean over each new pixel's area; H×W×C → h×width×C of the same aspect."""
    height, stored = values.shape[:2]
    if width in (0, stored):
        return np.ascontiguousarray(values)
    rows = round(height * width / stored)
    if width > stored or rows < 1:
        raise DataError(
            f"{path}: {height}×{stored} pixels cannot be averaged down to a width of {width}; "
            "change the option size"
        )
    small = cv2.resize(values, (width, rows), interpolation=cv2.INTER_AREA)
    return np.asarray(small, np.float32).reshape(rows, width, values.shape[2])


def _check_size(path: Path, found: Float32, wanted: tuple[int, ...]) -> None:
    if found.shape[:2] != wanted:
        sizes = ["×".join(map(str, size)) for size in (found.shape[:2], wanted)]
        raise DataError(f"{path}: {sizes[0]} pixels, and its view has {sizes[1]}")

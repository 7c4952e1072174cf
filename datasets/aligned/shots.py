"""Photos with the cameras they were taken with, and the same at another size."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from bench.errors import DataError
from bench.graphics import cameras
from bench.graphics.point_clouds import PointCloud
from bench.graphics.splatting import Footprint, Splats, splat, splat_projected
from bench.protocol.apply import resize
from bench.quantities import Camera

if TYPE_CHECKING:
    from bench.graphics.colmap_models import Lens

Float32 = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Shot:
    """One photo to be, or a view without one.

    Attributes:
        name: of the photo at its source, unique there.
        scene: what is held out together.
        camera: of the picture's size; where there is a `lens`, its pinhole part.
        photo: reads H×W×3 linear RGB, raising `DataError`; None along a camera path.
        lens: its distortion; None for a pinhole.
    """

    name: str
    scene: str
    camera: Camera
    photo: Callable[[], Float32] | None
    lens: Lens | None = None


def render(shot: Shot, cloud: PointCloud, radius: float, footprint: Footprint) -> Splats:
    """The cloud as the shot's camera sees it, through the distortion of its lens."""
    if shot.lens is None:
        return splat(cloud, shot.camera, radius, footprint)
    from bench.graphics.colmap_models import ColmapPhoto  # pycolmap is slow to import

    pixels, depth = ColmapPhoto(shot.name, shot.camera, shot.lens).project(cloud.points)  # N×2, N
    return splat_projected(cloud, pixels, depth, shot.camera, radius, footprint)


def framed(shot: Shot, size: int) -> Shot:
    """The shot scaled by area so that its shorter side has `size` pixels, its middle cut out.

    The crop starts at floor((pixels − size) ÷ 2) (spec §2). The photo of a shot with a shorter side
    below `size` raises `DataError` when it is read.
    """
    height, width = shot.camera.height, shot.camera.width
    factor = size / min(height, width)
    tall, wide = round(height * factor), round(width * factor)
    top, left = (tall - size) // 2, (wide - size) // 2
    scaled = cameras.resize(shot.camera, tall, wide)
    intrinsics = np.array(scaled.intrinsics, np.float64)
    intrinsics[:2, 2] -= (left, top)
    camera = Camera(intrinsics, scaled.camera_to_world, size, size)

    def photo() -> Float32:
        assert shot.photo is not None
        if factor > 1:
            raise DataError(f"has {height}×{width} pixels, fewer than --size {size}")
        whole = resize(shot.photo(), tall, wide, "area")  # tall×wide×3
        return whole[top : top + size, left : left + size].astype(np.float32)  # size×size×3

    return replace(shot, camera=camera, photo=photo if shot.photo else None)

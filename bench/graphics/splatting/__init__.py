"""Points to pixels: the nearest point that each pixel shows (spec neural_rerendering §3).

    splats = splat(cloud, camera)
    splats = splat_projected(cloud, *photo.project(cloud.points), photo.camera)

A point falls into the pixel (floor(u), floor(v)) and covers its footprint around it; one that falls
outside the picture, behind the camera or has a coordinate that is not finite covers nothing. The
smallest depth, as float32, is shown; of two at the same depth the one that comes first in the
cloud. So the result is the same on every device, to the last bit.

A pixel shows the nearest of the points around it. Footprints are therefore drawn by a minimum over
the finished picture, whose cost does not grow with the number of points.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from bench.errors import ConfigError, DataError
from bench.graphics.normals import camera_from_world
from bench.graphics.point_clouds import PointCloud
from bench.quantities import Camera

Footprint = Literal["disc", "square"]
Float32 = NDArray[np.float32]
Float64 = NDArray[np.float64]
Floating = NDArray[np.floating[Any]]
Int64 = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Splats:
    """What is seen of a cloud.

    Attributes:
        colour: H×W×3 float32, linear RGB; 0 where no point is.
        depth: H×W×1 float32 along the optical axis, scene units; 0 where no point is.
        normal: H×W×3 float32 in the camera frame (x right, y up, z toward the viewer); None where
            the cloud has none.
        index: H×W int64, the row of the cloud; −1 where no point is.
    """

    colour: Float32
    depth: Float32
    normal: Float32 | None
    index: Int64


def splat(
    cloud: PointCloud,
    camera: Camera,
    radius: float = 1,
    footprint: Footprint = "disc",
    device: str = "cpu",
) -> Splats:
    """The cloud as `camera` sees it; nothing in view gives a picture without points.

    Args:
        radius: pixels; a disc of 1 is a plus of 5 pixels, a square of 1 has 3×3; 0 is one pixel.
        device: "cpu" (compiled, on torch's number of threads), or what torch calls a device; a
            cloud is copied there once and stays as long as it lives.

    Raises:
        ConfigError: a negative radius or an unknown footprint.
    """
    reach = offsets(radius, footprint)
    pose = np.asarray(camera.camera_to_world, np.float64)
    matrix = np.asarray(camera.intrinsics, np.float64) @ pose[:3, :3].T  # 3×3, world to pixels
    centre = np.ascontiguousarray(pose[:3, 3])
    size = (camera.height, camera.width)
    if device == "cpu":
        from bench.graphics.splatting import compiled  # numba takes half a second to import

        return _shown(cloud, camera, *compiled.splat(cloud.points, matrix, centre, size, reach))
    from bench.graphics.splatting import portable

    return _splats(camera, *portable.splat(cloud, matrix, centre, size, reach, device))


def splat_projected(
    cloud: PointCloud,
    pixels: Floating,
    depth: Floating,
    camera: Camera,
    radius: float = 1,
    footprint: Footprint = "disc",
    device: str = "cpu",
) -> Splats:
    """As `splat`, for points that were projected already, as through a lens with distortion.

    Args:
        pixels: N×2 (x, y; centres at +0.5), NaN for what the lens does not show.
        depth: N along the optical axis.
        camera: gives the size of the picture, and its pose the frame of the normals.

    Raises:
        ConfigError: a negative radius or an unknown footprint.
        DataError: the numbers of points, pixels and depths differ.
    """
    if len(pixels) != len(cloud.points):
        raise DataError(f"{len(pixels)} pixels were given for {len(cloud.points)} points")
    size = (camera.height, camera.width)
    return _shown(cloud, camera, *_splat_pixels(pixels, depth, size, radius, footprint, device))


def splat_pixels(
    pixels: Floating,
    depth: Floating,
    height: int,
    width: int,
    radius: float = 1,
    footprint: Footprint = "disc",
    device: str = "cpu",
) -> Int64:
    """Which of N projected points each pixel shows: H×W int64, −1 where none.

    Args and Raises: as `splat_projected`.
    """
    return _splat_pixels(pixels, depth, (height, width), radius, footprint, device)[0]


def offsets(radius: float, footprint: Footprint) -> Int64:
    """K×2 int64: the (row, column) steps from a point's pixel to those that it covers.

    A disc holds the steps of length ≤ radius, a square those with neither part longer.

    Raises:
        ConfigError: a negative radius or an unknown footprint.
    """
    if not 0 <= radius < np.inf:
        raise ConfigError(f"a splat's radius is 0 or more pixels, not {radius}")
    if footprint not in ("disc", "square"):
        raise ConfigError(f"no footprint {footprint!r}; there are disc and square")
    reach = int(radius)
    steps = np.indices((2 * reach + 1, 2 * reach + 1)).reshape(2, -1).T - reach  # K×2
    if footprint == "disc":
        steps = steps[(steps**2).sum(axis=1) <= radius**2]  # K×2
    return np.ascontiguousarray(steps, np.int64)


def _splat_pixels(
    pixels: Floating,
    depth: Floating,
    size: tuple[int, int],
    radius: float,
    footprint: Footprint,
    device: str,
) -> tuple[Int64, Float32]:
    if len(pixels) != depth.size:
        raise DataError(f"{len(pixels)} pixels were given with {depth.size} depths")
    reach = offsets(radius, footprint)
    places = np.ascontiguousarray(pixels, np.float64)  # N×2
    distances = np.ascontiguousarray(depth, np.float64).reshape(-1)  # N
    if device == "cpu":
        from bench.graphics.splatting import compiled

        return compiled.splat_pixels(places, distances, size, reach)
    from bench.graphics.splatting import portable

    return portable.splat_pixels(places, distances, size, reach, device)


def _shown(cloud: PointCloud, camera: Camera, index: Int64, depth: Float32) -> Splats:
    from bench.graphics.splatting.compiled import gathered

    normals = None if cloud.normals is None else gathered(cloud.normals, index)  # H×W×3
    return _splats(camera, index, depth, gathered(cloud.colours, index), normals)


def _splats(
    camera: Camera, index: Int64, depth: Float32, colour: Float32, normals: Float32 | None
) -> Splats:
    if normals is not None:
        normals = camera_from_world(normals, camera).astype(np.float32, copy=False)  # H×W×3
    return Splats(colour, depth[..., None], normals, index)

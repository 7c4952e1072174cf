"""Coloured points in the world: from posed depth maps, and thinned to one point per voxel."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.errors import DataError
from bench.graphics.cameras import unproject
from bench.graphics.normals import normalise, world_from_camera
from bench.quantities import Camera

Float32 = NDArray[np.float32]
Float64 = NDArray[np.float64]
Floating = NDArray[np.floating[Any]]


@dataclass(frozen=True, eq=False)
class PointCloud:
    """N points of surfaces; the arrays are not to be written to.

    Attributes:
        points: N×3 float64, world, scene units.
        colours: N×3 float32, linear RGB.
        normals: N×3 float32, world, unit length or 0 where unknown; None where there are none.
    """

    points: Float64
    colours: Float32
    normals: Float32 | None = None


@dataclass(frozen=True, eq=False)
class PosedView:
    """A photo of which the depth and the camera are known.

    Attributes:
        image: H×W×3 linear RGB.
        depth: H×W×1 along the optical axis, scene units; 0 (or not finite) where unknown.
        camera: of H×W pixels.
        confidence: H×W×1 of any scale, larger is surer; None where every depth is to be believed.
        normal: H×W×3 in the camera frame (x right, y up, z toward the viewer), or None.
    """

    image: Floating
    depth: Floating
    camera: Camera
    confidence: Floating | None = None
    normal: Floating | None = None


def fused(views: Sequence[PosedView], least_confidence: float = 0.0) -> PointCloud:
    """A point for each pixel of known depth, view by view, row by row.

    Normals are kept where every view has them.

    Args:
        least_confidence: pixels below it are left out, in views that have a confidence.

    Raises:
        DataError: a view's arrays have unlike sizes, a colour is not finite, or no pixel is left.
    """
    parts = [_seen(index, view, least_confidence) for index, view in enumerate(views)]
    clouds = [cloud for cloud in parts if len(cloud.points)]
    if not clouds:
        raise DataError(
            f"{len(views)} views: no pixel has a depth of confidence ≥ {least_confidence}; "
            "lower least_confidence, or give views with depth"
        )
    normals = [cloud.normals for cloud in clouds if cloud.normals is not None]
    return PointCloud(
        np.concatenate([cloud.points for cloud in clouds]),  # N×3
        np.concatenate([cloud.colours for cloud in clouds]),  # N×3
        np.concatenate(normals) if len(normals) == len(clouds) else None,  # N×3
    )


def thinned(cloud: PointCloud, voxel: float) -> PointCloud:
    """The mean point, colour and normal of each cube of side `voxel` that holds points.

    Cubes are aligned to the world's origin and come in order of x, then y, then z.

    Raises:
        ValueError: `voxel` is not a positive number.
        DataError: so small a voxel that the cloud spans more cubes than can be counted.
    """
    if not 0 < voxel < np.inf:
        raise ValueError(f"the side of a voxel is positive, not {voxel}")
    if not len(cloud.points):
        return cloud
    order, starts = _groups(cloud.points, voxel)
    count = np.diff(np.append(starts, len(order)))[:, None]  # M×1

    def mean(values: Floating) -> Float64:
        sums = np.add.reduceat(values[order].astype(np.float64), starts, axis=0)  # M×3
        return np.asarray(sums / count)

    normals = None
    if cloud.normals is not None:
        normals = normalise(mean(cloud.normals)).astype(np.float32)  # M×3
    return PointCloud(mean(cloud.points), mean(cloud.colours).astype(np.float32), normals)


def checked(cloud: PointCloud, source: object) -> PointCloud:
    """The cloud as it is.

    Raises:
        DataError: it has no points, or some that are not finite; the text begins with `source`.
    """
    if not len(cloud.points):
        raise DataError(f"{source}: holds no points; give a reconstruction that succeeded")
    for name, values in (("positions", cloud.points), ("colours", cloud.colours)):
        finite = np.asarray(np.isfinite(values).all(axis=1))  # N
        if not finite.all():
            raise DataError(
                f"{source}: {name} of {np.count_nonzero(~finite)} of {len(finite)} points are not "
                f"finite, the first is point {int(np.argmin(finite))}; write it again without them"
            )
    return cloud


def _seen(index: int, view: PosedView, least_confidence: float) -> PointCloud:
    size = (view.camera.height, view.camera.width)
    _check_sizes(index, view, size)
    depth = view.depth[..., 0]  # H×W
    known = np.isfinite(depth) & (depth > 0)  # H×W
    if view.confidence is not None:
        known &= view.confidence[..., 0] >= least_confidence
    points = unproject(np.where(known, depth, 0)[..., None], view.camera)[known]  # n×3
    normals = None
    if view.normal is not None:
        normals = world_from_camera(view.normal[known], view.camera)  # n×3
        normals = normals.astype(np.float32, copy=False)
    cloud = PointCloud(points, view.image[known].astype(np.float32, copy=False), normals)
    return checked(cloud, f"view {index}") if len(points) else cloud


def _check_sizes(index: int, view: PosedView, size: tuple[int, int]) -> None:
    maps = {"image": (view.image, 3), "depth": (view.depth, 1)}
    if view.confidence is not None:
        maps["confidence"] = (view.confidence, 1)
    if view.normal is not None:
        maps["normal"] = (view.normal, 3)
    for name, (values, channels) in maps.items():
        if values.shape != (*size, channels):
            wanted = "×".join(map(str, (*size, channels)))
            found = "×".join(map(str, values.shape))
            raise DataError(
                f"view {index}: its {name} is {found} where its camera asks for {wanted}; "
                "resize one of them"
            )


def _groups(points: Float64, voxel: float) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """An order that puts points of one cube side by side, and where in it each cube begins."""
    cells = np.floor(points / voxel)  # N×3
    cells -= cells.min(axis=0)
    extent = cells.max(axis=0) + 1  # 3
    if not np.prod(extent) < 2**63:
        raise DataError(
            f"a voxel of {voxel} cuts this cloud into too many cubes; take a larger one"
        )
    x, y, z = cells.astype(np.int64).T  # N each
    cell = (x * int(extent[1]) + y) * int(extent[2]) + z  # N
    order = np.argsort(cell, kind="stable")  # N
    begins = np.append(True, np.diff(cell[order]) != 0)  # N
    return order, np.flatnonzero(begins)  # N, M

"""Point clouds in .ply files, as COLMAP's `fused.ply`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import plyfile
from numpy.typing import NDArray

from bench.errors import DataError
from bench.graphics.colour import srgb_decode, srgb_encode
from bench.graphics.normals import normalise
from bench.graphics.point_clouds import PointCloud, checked

_POSITION, _NORMAL = ("x", "y", "z"), ("nx", "ny", "nz")
_COLOURS = (
    ("red", "green", "blue"),
    ("r", "g", "b"),
    ("diffuse_red", "diffuse_green", "diffuse_blue"),
)
_STORED = [(name, "f8") for name in _POSITION] + [(name, "u1") for name in _COLOURS[0]]


def read_points(path: Path) -> PointCloud:
    """The vertices of a .ply, text or binary, with colours and, where there are any, normals.

    Integer colours are sRGB encoded over their type's whole range, floats sRGB encoded over [0, 1].
    Normals come with unit length. Faces and further properties are left aside.

    Raises:
        DataError: missing, truncated or corrupt file, another suffix, no points or no colours in
            it, or a position or colour that is not finite.
    """
    if path.suffix.lower() != ".ply":
        raise DataError(f"{path}: not a .ply, the format of point clouds")
    if not path.is_file():
        raise DataError(f"{path}: no such point cloud; COLMAP's stereo_fusion writes a fused.ply")
    try:
        vertices = _vertices(path)
    except Exception as error:  # a parser of untrusted bytes raises whatever it stumbles over
        raise DataError(f"{path}: truncated or corrupt .ply: {error}; write it again") from error
    names = vertices.dtype.names or ()
    colours = next((found for found in _COLOURS if set(found) <= set(names)), None)
    if not set(_POSITION) <= set(names) or colours is None:
        raise DataError(
            f"{path}: its vertices have {', '.join(names) or 'nothing'}; x, y, z and red, green, "
            "blue are needed: export the cloud with colours"
        )
    normals = None
    if set(_NORMAL) <= set(names):
        normals = normalise(np.nan_to_num(_columns(vertices, _NORMAL).astype(np.float32)))  # N×3
    points = _columns(vertices, _POSITION).astype(np.float64)  # N×3
    return checked(PointCloud(points, _linear(_columns(vertices, colours)), normals), path)


def write_points(path: Path, cloud: PointCloud) -> None:
    """Write a binary .ply: positions in double precision, colours in 8 bits sRGB, normals if any.

    Raises:
        OSError: the file cannot be written.
    """
    normals = [] if cloud.normals is None else [(name, "f4") for name in _NORMAL]
    vertices = np.zeros(len(cloud.points), np.dtype(_STORED + normals))
    encoded = np.rint(np.clip(srgb_encode(cloud.colours), 0, 1) * 255)  # N×3
    for axis in range(3):
        vertices[_POSITION[axis]] = cloud.points[:, axis]
        vertices[_COLOURS[0][axis]] = encoded[:, axis]
        if cloud.normals is not None:
            vertices[_NORMAL[axis]] = cloud.normals[:, axis]
    plyfile.PlyData([plyfile.PlyElement.describe(vertices, "vertex")]).write(str(path))


def _vertices(path: Path) -> NDArray[Any]:
    # mapped into memory, a file that shrinks while it is read would end the process
    data = plyfile.PlyData.read(str(path), mmap=False)
    return np.asarray(data["vertex"].data)


def _columns(vertices: NDArray[Any], names: tuple[str, ...]) -> NDArray[Any]:
    return np.stack([vertices[name] for name in names], axis=-1)  # N×3


def _linear(stored: NDArray[Any]) -> NDArray[np.float32]:
    top = np.iinfo(stored.dtype).max if stored.dtype.kind in "iu" else 1
    return srgb_decode(stored.astype(np.float32) / np.float32(top)).astype(np.float32)  # N×3

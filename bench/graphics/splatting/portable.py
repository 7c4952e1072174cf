"""Splatting in plain torch, for any device.

It evaluates the expressions of `kernel` in the same order, so that both agree to the last bit.
"""

from __future__ import annotations

from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from bench.graphics.point_clouds import PointCloud

Float32 = NDArray[np.float32]
Float64 = NDArray[np.float64]
Int64 = NDArray[np.int64]

EMPTY = torch.iinfo(torch.int64).max
NEAR, FAR = 1e-6, 1e30


_COPIES: WeakKeyDictionary[PointCloud, dict[str, tuple[Tensor, Tensor, Tensor | None]]] = (
    WeakKeyDictionary()
)


def splat(
    cloud: PointCloud,
    matrix: Float64,
    centre: Float64,
    size: tuple[int, int],
    offsets: Int64,
    device: str,
) -> tuple[Int64, Float32, Float32, Float32 | None]:
    """Index, depth as `compiled.splat`, with colours and world normals (or None), H×W×3 each."""
    points, colours, normals = _copy(cloud, device)
    index, depth = nearest(*project(points, matrix, centre), size, offsets)  # H×W each
    seen = None if normals is None else _array(gathered(normals, index))  # H×W×3
    return _array(index), _array(depth), _array(gathered(colours, index)), seen


def splat_pixels(
    pixels: Float64, depth: Float64, size: tuple[int, int], offsets: Int64, device: str
) -> tuple[Int64, Float32]:
    """As `compiled.splat_pixels`."""
    u, v = _tensor(pixels, device).unbind(1)  # N each
    index, distance = nearest(u, v, _tensor(depth, device), size, offsets)  # H×W each
    return _array(index), _array(distance)


def project(points: Tensor, matrix: Float64, centre: Float64) -> tuple[Tensor, Tensor, Tensor]:
    """Pixels u, v and depth z, N float64 each, of world points N×3 float64."""
    x, y, z = (points[:, axis] - float(centre[axis]) for axis in range(3))  # N each
    rows = matrix.tolist()
    h, i, depth = ((row[0] * x + row[1] * y) + row[2] * z for row in rows)  # N each
    return h / depth, i / depth, depth


def nearest(
    u: Tensor, v: Tensor, z: Tensor, size: tuple[int, int], offsets: Int64
) -> tuple[Tensor, Tensor]:
    """Index H×W int64 (−1 where none) and depth H×W float32 (0 where none) of N projected points.

    u, v, z: N float64 each, on one device; offsets K×2 as of `splatting.offsets`.
    """
    height, width = size
    seen = (z > NEAR) & (z < FAR) & (u >= 0) & (u < width) & (v >= 0) & (v < height)  # N
    rows = torch.nonzero(seen)[:, 0]  # n
    pixel = v[rows].long() * width + u[rows].long()  # n
    key = (z[rows].float().view(torch.int32).long() << 32) | rows  # n
    keys = torch.full((height * width,), EMPTY, device=z.device)  # H·W
    keys.scatter_reduce_(0, pixel, key, "amin")
    least = _spread(keys.reshape(size), offsets)  # H×W
    covered = least < EMPTY  # H×W
    depth = (least >> 32).to(torch.int32).view(torch.float32)  # H×W
    return torch.where(covered, least & 0xFFFFFFFF, -1), torch.where(covered, depth, 0)


def gathered(values: Tensor, index: Tensor) -> Tensor:
    """Rows of values N×C where index H×W names one, 0 where it is −1: H×W×C."""
    if not len(values):
        return values.new_zeros(*index.shape, values.shape[1])  # H×W×C
    return torch.where(index[..., None] >= 0, values[index.clamp(min=0)], 0)  # H×W×C


def _spread(keys: Tensor, offsets: Int64) -> Tensor:
    """The least of the keys H×W whose points cover a pixel."""
    height, width = keys.shape
    reach = int(np.abs(offsets).max())
    padded = keys.new_full((height + 2 * reach, width + 2 * reach), EMPTY)  # (H+2r)×(W+2r)
    padded[reach : reach + height, reach : reach + width] = keys
    least = torch.full_like(keys, EMPTY)  # H×W
    for row, column in (reach - offsets).tolist():
        torch.minimum(least, padded[row : row + height, column : column + width], out=least)
    return least


def _copy(cloud: PointCloud, device: str) -> tuple[Tensor, Tensor, Tensor | None]:
    """Points, colours and normals on the device."""
    copies = _COPIES.setdefault(cloud, {})
    if device not in copies:
        normals = None if cloud.normals is None else _tensor(cloud.normals, device)  # N×3
        copies[device] = _tensor(cloud.points, device), _tensor(cloud.colours, device), normals
    return copies[device]


def _tensor(array: NDArray[Any], device: str) -> Tensor:
    return torch.tensor(np.ascontiguousarray(array), device=device)


def _array(tensor: Tensor) -> NDArray[Any]:
    return np.asarray(tensor.cpu())

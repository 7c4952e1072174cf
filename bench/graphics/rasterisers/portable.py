"""The z-buffer of `kernel` in plain torch, for any device.

It evaluates the same expressions in the same order, so that both agree to the last bit. Every
triangle is expanded into the pixels of its bounding box; the pairs are worked off in chunks.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

CHUNK = 1 << 22
"""Pairs of a triangle and a pixel at a time: some 0.5 GB."""


@dataclass(frozen=True, eq=False)
class Triangles:
    """The N triangles of a batch that can be seen.

    Attributes:
        image, index: N each, their place in the batch and their row of `faces`.
        slopes: N×3×3 float64, edge function (a, b, c) opposite each corner, positive inside.
        scale: N×3, what the edge functions are multiplied with to sum to 1/z.
        low, high: N×2, the first pixel (x, y) of the bounding box and the one after the last.
    """

    image: Tensor
    index: Tensor
    slopes: Tensor
    scale: Tensor
    low: Tensor
    high: Tensor


def draw(
    points: Tensor, faces: Tensor, shape: tuple[int, int], cull: bool, near: float, far: float
) -> tuple[Tensor, Tensor, Tensor]:
    """As `compiled.draw`, on the device of `points`."""
    triangles = _triangles(points, faces, shape, cull)
    inverse = points.new_zeros(len(points) * shape[0] * shape[1])  # B·H'·W', 1/z
    face = torch.full_like(inverse, -1, dtype=torch.int64)  # B·H'·W'
    extent = (triangles.high - triangles.low).clamp(min=0)  # N×2
    pairs = extent.prod(dim=1)  # N
    last = pairs.cumsum(0)  # N
    start = 0
    while start < len(pairs):
        done = int(last[start - 1]) if start else 0
        stop = max(int(torch.searchsorted(last, done + CHUNK, right=True)), start + 1)
        _nearest(triangles, slice(start, stop), shape, near, far, inverse, face)
        start = stop
    return _weigh(points, faces, face.reshape(len(points), *shape), inverse)


def edge_functions(corners: Tensor) -> tuple[Tensor, Tensor]:
    """(a, b, c) of the edges opposite corners 0, 1, 2, N×3×3, and signed double area, N.

    corners N×3×≥2 in pixels. As in `kernel`, an edge walked the other way has exactly the negative
    coefficients.
    """
    x, y = corners[..., 0], corners[..., 1]  # N×3
    area = (x[:, 1] - x[:, 0]) * (y[:, 2] - y[:, 0]) - (y[:, 1] - y[:, 0]) * (x[:, 2] - x[:, 0])
    x1, y1, x2, y2 = x.roll(-1, 1), y.roll(-1, 1), x.roll(-2, 1), y.roll(-2, 1)  # N×3
    slopes = torch.stack([y1 - y2, x2 - x1, x1 * y2 - x2 * y1], dim=2)  # N×3×3
    return slopes * torch.where(area > 0, 1.0, -1.0)[:, None, None], area


def _triangles(points: Tensor, faces: Tensor, shape: tuple[int, int], cull: bool) -> Triangles:
    corners = points[:, faces].flatten(0, 1)  # B·F×3×3
    slopes, area = edge_functions(corners)
    seen = (corners[..., 2] > 0).all(dim=1) & (area != 0) & ~(area.isnan())  # B·F
    if cull:
        seen &= area < 0
    which = torch.nonzero(seen)[:, 0]  # N
    corners, area = corners[which], area[which]
    size = torch.tensor([shape[1], shape[0]], device=points.device)
    low, high = corners[..., :2].amin(dim=1), corners[..., :2].amax(dim=1)  # N×2
    return Triangles(
        image=which // max(len(faces), 1),
        index=which % max(len(faces), 1),
        slopes=slopes[which],
        scale=1 / (corners[..., 2] * area.abs()[:, None]),
        low=torch.ceil(low.clamp(min=0) - 0.5).clamp(min=0).minimum(size.double()).long(),
        high=torch.floor(torch.minimum(high, size) - 0.5).clamp(min=-1).long() + 1,
    )


def _nearest(
    triangles: Triangles,
    chunk: slice,
    shape: tuple[int, int],
    near: float,
    far: float,
    inverse: Tensor,
    face: Tensor,
) -> None:
    """Lets a chunk of triangles into the z-buffer; of two at the same depth the first stays."""
    low, extent = triangles.low[chunk], (triangles.high - triangles.low)[chunk].clamp(min=0)  # n×2
    count = extent.prod(dim=1)  # n
    which = torch.repeat_interleave(count)  # P, of n
    if not len(which):
        return
    order = torch.arange(len(which), device=which.device) - (count.cumsum(0) - count)[which]  # P
    column = low[which, 0] + order % extent[which, 0]  # P
    row = low[which, 1] + torch.div(order, extent[which, 0], rounding_mode="floor")  # P
    slopes = triangles.slopes[chunk][which]  # P×3×3
    x, y = column[:, None] + 0.5, row[:, None] + 0.5  # P×1
    edges = (slopes[..., 0] * x + slopes[..., 1] * y) + slopes[..., 2]  # P×3
    terms = edges * triangles.scale[chunk][which]  # P×3
    value = terms[:, 0] + terms[:, 1] + terms[:, 2]  # P, 1/z
    inside = (edges >= 0).all(dim=1) & (near * value < 1) & (far * value > 1)  # P
    which, value = which[inside], value[inside]
    pixel = (triangles.image[chunk][which] * shape[0] + row[inside]) * shape[1] + column[inside]
    index = triangles.index[chunk][which]
    ahead = value > inverse[pixel]
    pixel, value, index = pixel[ahead], value[ahead], index[ahead]
    inverse.scatter_reduce_(0, pixel, value, "amax")
    first = value == inverse[pixel]
    pixel, index = pixel[first], index[first]
    face[pixel] = torch.iinfo(face.dtype).max
    face.scatter_reduce_(0, pixel, index, "amin")


def _weigh(
    points: Tensor, faces: Tensor, face: Tensor, inverse: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Face, weights and depth as `Fragments` holds them, from the z-buffer B·H'·W'."""
    batch, row, column = torch.nonzero(face >= 0, as_tuple=True)  # N each
    corners = points[batch[:, None], faces[face[batch, row, column]]]  # N×3×3
    slopes, _ = edge_functions(corners)
    x, y = column[:, None] + 0.5, row[:, None] + 0.5  # N×1
    parts = ((slopes[..., 0] * x + slopes[..., 1] * y) + slopes[..., 2]) / corners[..., 2]  # N×3
    total = parts[:, 0] + parts[:, 1] + parts[:, 2]  # N
    weights = torch.zeros(*face.shape, 3, device=face.device)  # B×H'×W'×3
    weights[batch, row, column] = (parts / total[:, None]).float()
    depth = torch.where(face.flatten() >= 0, 1 / inverse, 0).float()  # B·H'·W'
    return face, weights, depth.reshape(face.shape)

"""The gradient that moving silhouettes and occlusion edges cause.

A picture sampled at pixel centres is constant in the vertices almost everywhere; its average over
pixels is not. The derivative of ∫ g·I over the picture with respect to a vertex is the integral
along the visible contour of g·(I_in − I_out)·(velocity · outward normal) (edge sampling: Li et al.,
"Differentiable Monte Carlo Ray Tracing through Edge Sampling", 2018). It is summed where contour
edges cross the lines through the pixel centres: a crossed row stands for one pixel of the normal's
x part, a crossed column for one pixel of its y part, and the pixels on either side of the crossing
say what is inside, what outside, and whether the edge is seen at all.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from torch import Tensor

from bench.graphics.rasterisers.fragments import Fragments
from bench.graphics.rasterisers.projection import project


@dataclass(frozen=True, eq=False)
class Edges:
    """The E edges of a mesh.

    Attributes:
        ends: E×2 int64, vertices in ascending order.
        faces: E×D int64, the faces at the edge; D is 2 for a manifold.
        sides: E×D int8, 1 where the face walks from end 0 to end 1, −1 where it walks back, 0
            where there is no face.
    """

    ends: Tensor
    faces: Tensor
    sides: Tensor


@dataclass(frozen=True, eq=False)
class Crossings:
    """N places where contour edges cross the lines through the pixel centres of one axis.

    Attributes:
        image, ends: N and N×2, the place in the batch and the edge's vertices.
        along: N, the fraction of the way from end 0 to end 1, on the screen.
        here, inner, outer: N each, the pixel that holds the place and those on either side, as
            indices of the flattened B·H'·W' picture.
        outward: N, ±1, the direction on the line that leaves the surface.
    """

    image: Tensor
    ends: Tensor
    along: Tensor
    here: Tensor
    inner: Tensor
    outer: Tensor
    outward: Tensor


class Antialias(torch.autograd.Function):
    """The identity on the image, with the boundary integral as its gradient to the vertices."""

    @staticmethod
    def forward(
        ctx: Any, image: Tensor, vertices: Tensor, fragments: Fragments, faces: Tensor, k: Tensor
    ) -> Tensor:
        ctx.save_for_backward(image, vertices, fragments.face, fragments.depth, faces, k)
        return image.view_as(image)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor | None, None, None, None]:
        image, vertices, face, depth, faces, k = ctx.saved_tensors
        moved = None
        if ctx.needs_input_grad[1]:
            fragments = Fragments(face, torch.empty(0), depth)
            moved = boundary_gradient(grad, image, fragments, vertices, faces, k)
        return grad, moved, None, None, None


def boundary_gradient(
    grad: Tensor,
    image: Tensor,
    fragments: Fragments,
    vertices: Tensor,
    faces: Tensor,
    intrinsics: Tensor,
) -> Tensor:
    """dL/d vertices B×V×3 through the contours, for dL/d image = grad B×H'×W'×C."""
    with torch.enable_grad():
        leaf = vertices.detach().requires_grad_()
        projected = project(leaf, intrinsics)  # B×V×3
        pixels = projected[..., :2]  # B×V×2
    points = projected.detach()
    edges = edges_of(faces)
    batch, edge, side = contour(points, faces, edges)
    on_pixels = torch.zeros_like(pixels)  # B×V×2
    for axis in (0, 1):
        found = crossings(points, batch, edges.ends[edge], side, axis, fragments)
        push = _change(found, grad, image) * found.outward  # N
        shares = torch.stack([1 - found.along, found.along], dim=1) * push[:, None]  # N×2
        on_pixels[..., axis].index_put_((found.image[:, None], found.ends), shares, accumulate=True)
    (moved,) = torch.autograd.grad(pixels, leaf, on_pixels)
    # a vertex in the camera's plane is at no finite pixel, and at no contour either
    return torch.nan_to_num(moved, nan=0.0, posinf=0.0, neginf=0.0)


def edges_of(faces: Tensor) -> Edges:
    """The edges of faces F×3; those of the meshes seen last are kept."""
    array = faces.detach().cpu().contiguous().numpy()
    return _edges_of(array.tobytes(), faces.device)


@lru_cache(maxsize=8)
def _edges_of(faces: bytes, device: torch.device) -> Edges:
    corners = torch.from_numpy(np.frombuffer(faces, np.int64).copy()).reshape(-1, 3)  # F×3
    sides = corners[:, [0, 1, 1, 2, 2, 0]].reshape(-1, 2)  # 3F×2, as the faces walk them
    ends, edge, degree = torch.unique(
        sides.sort(dim=1).values, dim=0, return_inverse=True, return_counts=True
    )  # E×2, 3F, E
    order = edge.argsort(stable=True)  # 3F, side by side those of one edge
    slot = torch.arange(len(edge)) - (degree.cumsum(0) - degree)[edge[order]]  # 3F
    shape = (len(ends), int(degree.max()) if len(ends) else 0)
    at_edge, direction = torch.zeros(shape, dtype=torch.int64), torch.zeros(shape)
    at_edge[edge[order], slot] = order // 3
    direction[edge[order], slot] = torch.sign(sides[:, 1] - sides[:, 0])[order].float()
    return Edges(ends.to(device), at_edge.to(device), direction.to(torch.int8).to(device))


def contour(points: Tensor, faces: Tensor, edges: Edges) -> tuple[Tensor, Tensor, Tensor]:
    """The edges that have all their faces on one side, as seen: K images, edges and sides ±1.

    points B×V×3 as of `project`. Side +1 is where (end 1 − end 0) × (point − end 0) > 0. With
    consistent winding these are the edges between a front and a back face and those of a border.
    """
    screen = points[:, faces, :2]  # B×F×3×2
    first, second = screen[:, :, 1] - screen[:, :, 0], screen[:, :, 2] - screen[:, :, 0]  # B×F×2
    area = first[..., 0] * second[..., 1] - first[..., 1] * second[..., 0]  # B×F
    turn = torch.sign(area).to(torch.int8)  # B×F
    seen = (points[..., 2] > 0)[:, faces].all(dim=-1)  # B×F
    sides = torch.where(seen, turn, 0)[:, edges.faces] * edges.sides  # B×E×D
    total = sides.sum(dim=-1)  # B×E
    batch, edge = torch.nonzero(total.abs() == edges.sides.abs().sum(dim=-1), as_tuple=True)
    return batch, edge, torch.sign(total[batch, edge])


def crossings(
    points: Tensor, batch: Tensor, ends: Tensor, side: Tensor, axis: int, fragments: Fragments
) -> Crossings:
    """The visible crossings, with lines along `axis` (0: rows, 1: columns), of K contour edges.

    points B×V×3 as of `project`; batch K, ends K×2 and side K as of `contour`. An edge is seen
    where something is drawn on its inner side and nothing nearer than it on its outer side.
    """
    _, height, width = fragments.face.shape
    size, lines = (width, height) if axis == 0 else (height, width)
    stride, to_next_line = (1, width) if axis == 0 else (width, 1)
    start, end = points[batch, ends[:, 0]], points[batch, ends[:, 1]]  # K×3
    which, line = _crossed(start[:, 1 - axis], end[:, 1 - axis], lines)  # N each
    start, end = start[which], end[which]  # N×3
    step = end - start  # N×3
    along = (line + 0.5 - start[:, 1 - axis]) / step[:, 1 - axis]  # N
    place = start[:, axis] + along * step[:, axis]  # N
    depth = 1 / ((1 - along) / start[:, 2] + along / end[:, 2])  # N
    turn = torch.sign(step[:, 1 - axis]).long()  # N
    outward = side[which] * (turn if axis == 0 else -turn)  # N, as the surface is on side +1
    before = torch.floor(place - 0.5).long()  # N, the pixel whose centre comes before the place
    within = (before >= 0) & (before + 1 < size)  # N
    before = before.clamp(0, size - 2)
    base = batch[which] * height * width + line * to_next_line  # N
    inner = base + (before + (outward < 0)) * stride  # N
    outer = base + (before + (outward > 0)) * stride  # N
    face = fragments.face.flatten()  # B·H'·W'
    ahead = (face[outer] < 0) | (fragments.depth.flatten()[outer] > depth)  # N
    seen = within & ahead & (face[inner] >= 0) & (face[inner] != face[outer])  # N
    return Crossings(
        image=batch[which][seen],
        ends=ends[which][seen],
        along=along[seen],
        here=(base + place.floor().clamp(0, size - 1).long() * stride)[seen],
        inner=inner[seen],
        outer=outer[seen],
        outward=outward[seen],
    )


def _crossed(start: Tensor, end: Tensor, lines: int) -> tuple[Tensor, Tensor]:
    """Which of K edges, from `start` K to `end` K on one axis, crosses which of the lines at n + ½.

    N pairs of both. A line at an end belongs to the edge that goes on from there to larger numbers,
    so that a chain of edges crosses it once.
    """
    low, high = torch.ceil(torch.stack([start, end]) - 0.5).sort(dim=0).values  # K each
    low, high = low.clamp(0, lines).long(), high.clamp(0, lines).long()  # K, lines in [low, high)
    which = torch.repeat_interleave(high - low)  # N
    first = (high - low).cumsum(0) - (high - low)  # K
    line = low[which] + torch.arange(len(which), device=which.device) - first[which]  # N
    return which, line


def _change(found: Crossings, grad: Tensor, image: Tensor) -> Tensor:
    """Σ_C g·(I_in − I_out) at each crossing, N; edges between the same two pixels share it.

    Where a profile is concave a mesh's contour folds back on itself by less than a pixel.
    """
    key = 2 * found.inner + (found.outward > 0)  # N, one per pair of neighbours on the axis
    _, pair, count = torch.unique(key, return_inverse=True, return_counts=True)
    change = _at(grad, found.here) * (_at(image, found.inner) - _at(image, found.outer))  # N×C
    shared: Tensor = change.sum(dim=1) / count[pair]  # N
    return shared


def _at(image: Tensor, pixel: Tensor) -> Tensor:
    """Rows N×C of an image B×H'×W'×C in any layout, at indices N of its flattened pixels."""
    _, height, width, _ = image.shape
    return image[pixel // (height * width), pixel // width % height, pixel % width]  # N×C

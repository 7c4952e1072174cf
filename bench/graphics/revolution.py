"""Surfaces of revolution as open tubes of quads (specs/vase_derenderer.md §3.1–3.3, §4.1).

The axis is y. Row 0 of a profile of H samples is the top; column j of T lies at the angle
θ_j = −π + 2πj/T, so that columns 0…T/2 run over the side that faces a camera on −z from left to
right, and the seam is the left silhouette. Axes are OpenCV's: x right, y down, z forward.
Arrays are torch tensors; every function keeps dtype and device, and is differentiable.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

LENGTH_FLOOR = 1e-7
"""Added to a length that divides: tiny quads get normals slightly shorter than 1, as published."""


def vertices(radius: Tensor, height: Tensor, columns: int = 96) -> Tensor:
    """Vertices B×H×T×3, row 0 the top, of profiles radius and height B×H (any one unit).

    Height is the y coordinate, so that the top's is negative. T = `columns`; no column is double.
    """
    steps = torch.arange(columns, dtype=radius.dtype, device=radius.device)  # T
    theta = steps * (2 * math.pi / columns) - math.pi  # T
    x = radius[..., None] * theta.cos()  # B×H×T
    z = radius[..., None] * theta.sin()  # B×H×T
    return torch.stack([x, height[..., None].expand_as(x), z], -1)  # B×H×T×3


def faces(
    rows: int, columns: int = 96, front: slice | None = None, device: str | torch.device = "cpu"
) -> Tensor:
    """Triangles F×3, int64 indices into the H·T flattened vertices of H = `rows`, T = `columns`.

    Each quad (i, j) is A = (i,j), (i+1,j), (i,j+1) and B = (i+1,j+1), (i,j+1), (i+1,j); all A come
    first, row by row, then all B. Seen from outside they are counter-clockwise with y up. `front`
    keeps those quad columns only. F = 2·(H−1)·(number of quad columns).
    """
    top, left = _quad_grid(rows, columns, front, device)
    bottom, right = top + 1, (left + 1) % columns
    first = [top * columns + left, bottom * columns + left, top * columns + right]
    second = [bottom * columns + right, top * columns + right, bottom * columns + left]
    return torch.stack([torch.stack(first, -1), torch.stack(second, -1)]).reshape(-1, 3)  # F×3


def corner_coordinates(
    rows: int, columns: int = 96, front: slice | None = None, device: str | torch.device = "cpu"
) -> Tensor:
    """Texture coordinates F×3×2 (u, v in [0, 1]) of the corners of `faces`' triangles, float32.

    The texture spans the quad columns of `front`, or the whole turn. Per corner and not per vertex,
    so that the seam needs no second column. These are §4.1's closed forms at the corners.
    """
    top, left = _quad_grid(rows, columns, front, device)
    first_column, count = int(left.min()), int(left.max() - left.min()) + 1
    u = torch.stack([left, left + 1], -1).float().sub(first_column) / count  # (H−1)×Q×2
    v = torch.stack([top, top + 1], -1).float() / (rows - 1)  # (H−1)×Q×2
    corners = [((0, 0), (1, 0), (0, 1)), ((1, 1), (0, 1), (1, 0))]  # (row, column) of A and of B
    return torch.stack(
        [
            torch.stack([torch.stack([u[..., c], v[..., r]], -1) for r, c in face], -2)
            for face in corners
        ]
    ).reshape(-1, 3, 2)  # F×3×2


def quads(vertices: Tensor) -> tuple[Tensor, Tensor]:
    """Centres and *inward* normals of all quads, each B×(H−1)×T×3, of vertices B×H×T×3.

    The last column's neighbour is column 0. Normals are (a×b)/(|a×b| + 1e-7) of the diagonals, so
    those of tiny quads are a little shorter than 1.
    """
    right = vertices.roll(-1, dims=-2)
    corner, corner_right = vertices[..., :-1, :, :], right[..., :-1, :, :]  # B×(H−1)×T×3
    below, below_right = vertices[..., 1:, :, :], right[..., 1:, :, :]  # B×(H−1)×T×3
    centres = (corner + corner_right + below + below_right) / 4
    across = torch.linalg.cross(corner_right - below, below_right - corner)  # B×(H−1)×T×3
    length = across.square().sum(-1, keepdim=True).clamp(min=1e-30).sqrt()  # B×(H−1)×T×1
    return centres, across / (length + LENGTH_FLOOR)


def rotation(pitch: Tensor, yaw: Tensor, roll: Tensor) -> Tensor:
    """Matrices B×3×3 Rz(roll)·Ry(yaw)·Rx(pitch) of angles B in radians; pitch is applied first.

    With y down, a positive pitch tips the top towards a camera on −z.
    """
    zero, one = torch.zeros_like(pitch), torch.ones_like(pitch)
    (sx, cx), (sy, cy), (sz, cz) = ((a.sin(), a.cos()) for a in (pitch, yaw, roll))
    about_x = _matrix([one, zero, zero, zero, cx, -sx, zero, sx, cx])
    about_y = _matrix([cy, zero, sy, zero, one, zero, -sy, zero, cy])
    about_z = _matrix([cz, -sz, zero, sz, cz, zero, zero, zero, one])
    return about_z @ about_y @ about_x  # B×3×3


def _matrix(entries: list[Tensor]) -> Tensor:
    return torch.stack(entries, -1).reshape(-1, 3, 3)  # B×3×3


def _quad_grid(
    rows: int, columns: int, front: slice | None, device: str | torch.device
) -> tuple[Tensor, Tensor]:
    """Row and column of each quad, int64, each (H−1)×Q."""
    chosen = torch.arange(columns, device=device)[front or slice(None)]
    top, left = torch.meshgrid(torch.arange(rows - 1, device=device), chosen, indexing="ij")
    return top, left

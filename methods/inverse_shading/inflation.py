"""Shape from a silhouette: −Δf = 4 inside the mask, f = 0 outside, z = √f.

A disc becomes a hemisphere, an ellipse an ellipsoid (specs/inverse_shading.md §6 (ii) 1). Grids are
B×H×W with 1 inside and 0 outside, and have a margin of one pixel outside on every side.
"""

from __future__ import annotations

import torch
import torch.nn.functional as functional
from torch import Tensor

_COARSEST = 16


def inflate(inside: Tensor, tolerance: float = 1e-3) -> Tensor:
    """f, B×H×W in pixels², for a mask B×H×W of 0 and 1 whose outermost pixels are 0."""
    height, width = inside.shape[-2:]
    start = torch.zeros_like(inside)
    if min(height, width) > _COARSEST:
        pooled = functional.max_pool2d(inside[:, None], 2, ceil_mode=True)[:, 0]
        framed = functional.pad(pooled, (1, 1, 1, 1))  # the coarse mask may touch its border
        coarse = inflate(framed, tolerance)[:, 1:-1, 1:-1]
        # A pixel of the coarse grid is two wide, so its f counts four times.
        fine = functional.interpolate(4 * coarse[:, None], scale_factor=2, mode="bilinear")
        start = fine[:, 0, :height, :width] * inside
    return _conjugate_gradient(inside, 4 * inside, start, tolerance)


def inflated_normals(height: Tensor, inside: Tensor) -> Tensor:
    """Unit normals B×H×W×3 of z = √f from f = `height`, zero outside.

    n ∝ (−f_x/2, −f_y/2, √f) needs no division at the rim, where z has none of its derivatives.
    """
    across, up = slopes(height)
    normals = torch.stack([-across / 2, -up / 2, height.clamp(min=0).sqrt()], dim=-1)
    return functional.normalize(normals, dim=-1) * inside[..., None]


def slopes(height: Tensor) -> tuple[Tensor, Tensor]:
    """Central differences of B×H×W along x (right) and y (up), the border held, each B×H×W."""
    padded = functional.pad(height[:, None], (1, 1, 1, 1), mode="replicate")[:, 0]
    across = (padded[:, 1:-1, 2:] - padded[:, 1:-1, :-2]) / 2
    up = (padded[:, :-2, 1:-1] - padded[:, 2:, 1:-1]) / 2
    return across, up


def negative_laplacian(values: Tensor) -> Tensor:
    """The five-point −Δ of B×H×W with zeros beyond the border."""
    padded = functional.pad(values, (1, 1, 1, 1))
    beside = padded[:, 1:-1, 2:] + padded[:, 1:-1, :-2] + padded[:, 2:, 1:-1] + padded[:, :-2, 1:-1]
    return 4 * values - beside


def _conjugate_gradient(inside: Tensor, target: Tensor, start: Tensor, tolerance: float) -> Tensor:
    """Solve −Δx = target on the mask, each item with its own step lengths."""
    solution = start
    residual = (target - negative_laplacian(solution)) * inside
    direction = residual
    energy = _energy(residual)
    goal = tolerance**2 * _energy(target)  # B×1×1
    for _ in range(4 * sum(inside.shape[-2:])):
        if bool((energy <= goal).all()):
            break
        image = negative_laplacian(direction) * inside
        curvature = (direction * image).sum((-2, -1), keepdim=True)
        # A solved item stands still, so that its batch does not change it.
        step = torch.where(energy > goal, energy / curvature.clamp(min=1e-300), 0.0)
        solution = solution + step * direction
        residual = residual - step * image
        previous, energy = energy, _energy(residual)
        direction = residual + energy / previous.clamp(min=1e-300) * direction
    return solution


def _energy(values: Tensor) -> Tensor:
    return values.square().sum((-2, -1), keepdim=True)  # B×1×1

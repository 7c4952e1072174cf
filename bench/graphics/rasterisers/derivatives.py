"""Weights and depth as differentiable functions of the vertices."""

import torch
from torch import Tensor

from bench.graphics.rasterisers.fragments import SUPERSAMPLING, Fragments


def through_weights(
    fragments: Fragments, vertices: Tensor, faces: Tensor, intrinsics: Tensor
) -> Fragments:
    """The same fragments with weights and depth carrying gradients to `vertices` B×V×3.

    The ray d through a pixel centre meets the plane of (v₀, v₁, v₂) where the perspective-correct
    weights are in the ratio d·(v₁×v₂) : d·(v₂×v₀) : d·(v₀×v₁). Which face is seen is held fixed.
    """
    batch, row, column = torch.nonzero(fragments.face >= 0, as_tuple=True)  # N each
    ray = _rays(batch, row, column, intrinsics.to(vertices.device))  # N×3
    own = faces[fragments.face[batch, row, column]]  # N×3
    corners = vertices[batch[:, None], own].double()  # N×3×3
    planes = torch.linalg.cross(corners.roll(-1, 1), corners.roll(-2, 1))  # N×3×3
    volumes = (planes * ray[:, None]).sum(dim=2)  # N×3
    weights = volumes / volumes.sum(dim=1, keepdim=True)  # N×3
    depth = (weights * corners[..., 2]).sum(dim=1)  # N
    place = batch, row, column
    return Fragments(
        face=fragments.face,
        weights=torch.zeros_like(fragments.weights).index_put(place, weights.float()),
        depth=torch.zeros_like(fragments.depth).index_put(place, depth.float()),
    )


def _rays(batch: Tensor, row: Tensor, column: Tensor, intrinsics: Tensor) -> Tensor:
    """K⁻¹ (u, v, 1) through the centres of supersampled pixels, N×3 float64."""
    inverse = torch.linalg.inv(intrinsics.double())  # 3×3 or B×3×3
    pixels = torch.stack([column + 0.5, row + 0.5], dim=1).double() / SUPERSAMPLING  # N×2
    homogeneous = torch.cat([pixels, torch.ones_like(pixels[:, :1])], dim=1)  # N×3
    own = inverse if inverse.ndim == 2 else inverse[batch]  # 3×3 or N×3×3
    rays: Tensor = (own @ homogeneous[:, :, None])[..., 0]  # N×3
    return rays

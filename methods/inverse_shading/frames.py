"""Several frames of one surface under different lights, free per-pixel albedo (§2.4, §4.5)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from .models import floored, solve_normal

ILL_POSED = 1e-3
"""Second-smallest over largest eigenvalue below which static frames do not fix the albedo."""


@dataclass(frozen=True, eq=False)
class FrameSolution:
    """What F frames say together.

    Attributes:
        albedo: N×C, shared by the frames.
        light: F×J×C reciprocal-shading coefficients.
        eigenvalues: C×2, the second-smallest eigenvalue of the frames' own equations over the
            largest, and the smallest over the largest.
        ill_posed: no prior was given and the frames alone do not separate albedo from light: any
            function common to all reciprocal lights fits about as well.
    """

    albedo: Tensor
    light: Tensor
    eigenvalues: Tensor
    ill_posed: bool


def solve_frames(
    designs: Tensor,
    images: Tensor,
    weights: Tensor,
    prior: float = 0.3,
    mean: float = 0.4,
    iterations: int = 0,
) -> FrameSolution:
    """Minimise Σ_f w |i_f (b_f·M_f) − r|² + prior |r − mean|², r eliminated in closed form.

    Designs F×N×J (the normals may turn from frame to frame), images F×N×C, weights N. `prior` is
    λ in units where r is about 0.4; with 0 the scale is fixed by mean reciprocal shading 1, and
    the solution should not be trusted where `ill_posed`. `iterations` re-weightings by 1/q² make
    the image error count.
    """
    frame_weights = weights[:, None].expand_as(images[0]).expand_as(images)  # F×N×C
    matrix = _frame_matrix(designs, images, frame_weights, 0.0)
    eigenvalues = torch.linalg.eigvalsh(matrix)  # C×FJ
    ratios = eigenvalues[:, :2].flip(-1) / eigenvalues[:, -1:]  # C×2
    light = _solve(designs, images, frame_weights, prior, mean)
    for _ in range(iterations):
        reciprocal = floored(designs @ light, frame_weights)  # F×N×C
        scaled = reciprocal / reciprocal.mean((0, 1))
        frame_weights = weights[:, None] / scaled**2
        light = _solve(designs, images, frame_weights, prior, mean)
    albedos = images * (designs @ light)  # F×N×C
    total = frame_weights.sum(0) + prior
    albedo = ((frame_weights * albedos).sum(0) + prior * mean) / total.clamp(min=1e-300)
    return FrameSolution(
        albedo=albedo,
        light=light,
        eigenvalues=ratios,
        ill_posed=prior == 0 and bool((ratios[:, 0] < ILL_POSED).any()),
    )


def _solve(designs: Tensor, images: Tensor, weights: Tensor, prior: float, mean: float) -> Tensor:
    frames, _, columns = designs.shape
    matrix = _frame_matrix(designs, images, weights, prior)  # C×FJ×FJ
    if prior:
        share = weights * prior / (weights.sum(0) + prior)  # F×N×C
        vector = mean * torch.einsum("fnc,fnj->cfj", share * images, designs)  # C×F×J
        solution = solve_normal(matrix, vector.flatten(1), ridge=1e-12)
    else:
        constraint = designs.mean(1).flatten().expand(len(matrix), -1) / frames  # C×FJ
        solution = solve_normal(matrix, constraint, ridge=1e-10)
        solution = solution / (constraint * solution).sum(-1, keepdim=True)
    return solution.reshape(-1, frames, columns).permute(1, 2, 0)  # F×J×C


def _frame_matrix(designs: Tensor, images: Tensor, weights: Tensor, prior: float) -> Tensor:
    """Σ_n D_nᵀ (W − w wᵀ / (Σw + prior)) D_n over pixels, D the stacked i_f b_f, C×FJ×FJ."""
    total = (weights.sum(0) + prior).clamp(min=1e-300)  # N×C
    matrices = []
    for channel in range(images.shape[-1]):
        rows = images[..., channel, None] * designs  # F×N×J
        weighted = weights[..., channel, None] * rows  # F×N×J
        stacked = weighted.transpose(0, 1).flatten(1)  # N×FJ
        own = torch.block_diag(*(weighted.mT @ rows))  # type: ignore[no-untyped-call]  # FJ×FJ
        matrices.append(own - stacked.T @ (stacked / total[:, channel, None]))
    return torch.stack(matrices)

"""Closed-form light from known normals: regular and inverse spherical-harmonic shading.

Regular: i = a (b·c), with c the shading coefficients. Inverse: i (b·M) = a, where b·M
approximates the reciprocal of shading, so that light M and a linear albedo model are solved at once
(specs/inverse_shading.md §2). b is a row of the design: any basis at the pixel's normal. Every
function takes leading batch dimensions (written …), and is differentiable.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch import Tensor

from .weights import huber, robust_scale, tukey

Robust = Literal["none", "huber", "tukey"]

MODEL_RIDGE = 1e-4
"""Variance of what an albedo model leaves unexplained per pixel: the ridge on β / σ."""

RECIPROCAL_FLOOR = 0.05
"""Reciprocal shading is clipped below at this fraction of its mean before it is inverted."""


@dataclass(frozen=True, eq=False)
class AlbedoModel:
    """A linear model of albedo, a = mean + modes β, at N pixels and C channels.

    Attributes:
        mean: …×N×C.
        modes: …×N×C×K; must not span the mean (§2.1, condition 2).
        sigma: …×K standard deviations of β.
    """

    mean: Tensor
    modes: Tensor
    sigma: Tensor

    def albedo(self, beta: Tensor) -> Tensor:
        """mean + modes β for β …×K, as …×N×C."""
        return self.mean + torch.einsum("...nck,...k->...nc", self.modes, beta)


@dataclass(frozen=True, eq=False)
class Observations:
    """What an estimate may look at: N pixels of C channels under one light.

    Attributes:
        design: …×N×J rows b of the basis.
        image: …×N×C linear radiance.
        weights: …×N×C, 0 for a pixel without a say.
    """

    design: Tensor
    image: Tensor
    weights: Tensor


def solve_normal(matrix: Tensor, vector: Tensor, ridge: float = 0.0) -> Tensor:
    """x of matrix x = vector, …×K×K and …×K; `ridge` is relative to the mean diagonal."""
    scale = matrix.diagonal(dim1=-2, dim2=-1).mean(-1)[..., None, None]  # …×1×1
    eye = torch.eye(matrix.shape[-1], dtype=matrix.dtype, device=matrix.device)
    # An empty system (no usable pixel) gets the zero solution instead of a singular matrix.
    damped = matrix + (ridge * scale + (scale == 0)) * eye
    solution: Tensor = torch.linalg.solve(damped, vector)
    return solution


def regular_light(seen: Observations, albedo: Tensor, ridge: float = 1e-10) -> Tensor:
    """Shading coefficients c …×J×C that minimise Σ w (a b·c − i)² for a known albedo …×N×C."""
    weighted = seen.weights * albedo  # …×N×C
    matrix = _gram(seen.design, weighted * albedo)  # …×C×J×J
    vector = torch.einsum("...nc,...nj->...cj", weighted * seen.image, seen.design)  # …×C×J
    return solve_normal(matrix, vector, ridge).mT  # …×J×C


def inverse_light(seen: Observations, albedo: Tensor, noise: float = 0.0) -> Tensor:
    """Reciprocal-shading coefficients M …×J×C that minimise Σ w (i b·M − a)², albedo known.

    With a constant albedo this is the constant-albedo prior of §2.4 (a). `noise` is the standard
    deviation of the image noise whose bias is removed (§2.3).
    """
    weighted = seen.weights * seen.image  # …×N×C
    matrix = _gram(seen.design, weighted * seen.image - noise**2 * seen.weights)  # …×C×J×J
    vector = torch.einsum("...nc,...nj->...cj", weighted * albedo, seen.design)  # …×C×J
    return solve_normal(matrix, vector, 1e-12).mT  # …×J×C


def inverse_model(
    seen: Observations, model: AlbedoModel, ridge: float = MODEL_RIDGE, noise: float = 0.0
) -> tuple[Tensor, Tensor]:
    """(M …×J×C, β …×K) that minimise Σ w (i b·M − (mean + U β))² + ridge Σ (β/σ)² (§2.1)."""
    channels, columns = seen.image.shape[-1], seen.design.shape[-1]
    split = channels * columns
    weighted = seen.weights * seen.image  # …×N×C
    gram = _gram(seen.design, weighted * seen.image - noise**2 * seen.weights)  # …×C×J×J
    cross = torch.einsum("...nc,...nj,...nck->...cjk", weighted, seen.design, model.modes)
    modes = torch.einsum("...nck,...nc,...ncl->...kl", model.modes, seen.weights, model.modes)
    light = torch.einsum("...nc,...nj->...cj", weighted * model.mean, seen.design)  # …×C×J
    beta = torch.einsum("...nck,...nc->...k", model.modes, seen.weights * model.mean)  # …×K
    size = split + model.sigma.shape[-1]
    matrix = gram.new_zeros(*gram.shape[:-3], size, size)
    for channel in range(channels):
        block = slice(channel * columns, (channel + 1) * columns)
        matrix[..., block, block] = gram[..., channel, :, :]
    matrix[..., :split, split:] = -cross.flatten(-3, -2)
    matrix[..., split:, :split] = -cross.flatten(-3, -2).mT
    matrix[..., split:, split:] = modes + torch.diag_embed(ridge / model.sigma**2)
    solution = torch.linalg.solve(matrix, torch.cat([light.flatten(-2), -beta], -1))  # …×size
    return solution[..., :split].reshape(*gram.shape[:-1]).mT, solution[..., split:]


def inverse_model_in_image_space(
    seen: Observations,
    model: AlbedoModel,
    iterations: int = 5,
    robust: Robust = "none",
    ridge: float = MODEL_RIDGE,
    noise: float = 0.0,
) -> tuple[Tensor, Tensor]:
    """`inverse_model` reweighted by 1/q² so that the image error counts (§2.2), robustly (§5).

    `robust` Tukey starts with Huber weights for the first half of the iterations.
    """
    light, beta = inverse_model(seen, model, ridge, noise)
    for iteration in range(iterations):
        reciprocal = floored(seen.design @ light, seen.weights)  # …×N×C
        residual = model.albedo(beta) / reciprocal - seen.image  # …×N×C
        early = robust == "tukey" and iteration < iterations // 2
        factor = robust_weights(residual, seen.weights, "huber" if early else robust)
        reweighted = replace(seen, weights=seen.weights * factor / reciprocal**2)
        light, beta = inverse_model(reweighted, model, ridge, noise)
    return light, beta


def regular_model(
    seen: Observations, model: AlbedoModel, iterations: int = 20, ridge: float = MODEL_RIDGE
) -> tuple[Tensor, Tensor]:
    """(c …×J×C, β …×K) of the bilinear i = (mean + U β)(b·c), by alternating least squares."""
    beta = torch.zeros_like(model.sigma)  # …×K
    light = regular_light(seen, model.mean)
    for _ in range(iterations):
        shading = seen.design @ light  # …×N×C
        modes = model.modes * shading[..., None]  # …×N×C×K
        residual = seen.weights * (seen.image - model.mean * shading)  # …×N×C
        matrix = torch.einsum("...nck,...nc,...ncl->...kl", modes, seen.weights, modes)
        vector = torch.einsum("...nck,...nc->...k", modes, residual)  # …×K
        beta = solve_normal(matrix + torch.diag_embed(ridge / model.sigma**2), vector)
        light = regular_light(seen, model.albedo(beta))
    return light, beta


def robust_regular_light(
    seen: Observations, albedo: Tensor, iterations: int, robust: Robust, ridge: float = 1e-10
) -> Tensor:
    """`regular_light` reweighted against cast shadows, highlights and wrong albedo, as …×J×C."""
    light = regular_light(seen, albedo, ridge)
    for _ in range(iterations if robust != "none" else 0):
        residual = albedo * (seen.design @ light) - seen.image  # …×N×C
        factor = robust_weights(residual, seen.weights, robust)
        light = regular_light(replace(seen, weights=seen.weights * factor), albedo, ridge)
    return light


def floored(reciprocal: Tensor, weights: Tensor) -> Tensor:
    """Reciprocal shading …×N×C clipped below at 5 % of its weighted mean over the pixels."""
    total = weights.sum(-2, keepdim=True).clamp(min=torch.finfo(weights.dtype).tiny)
    mean = (weights * reciprocal).sum(-2, keepdim=True) / total  # …×1×C
    return torch.maximum(reciprocal, RECIPROCAL_FLOOR * mean.abs())


def robust_weights(residual: Tensor, valid: Tensor, robust: Robust, least: float = 0.0) -> Tensor:
    """Huber or Tukey weights of residuals …×N×C with one scale for all channels; 1 for "none".

    The scale is at least `least`: residuals below it are no outliers, however many are zero.
    """
    if robust == "none":
        return torch.ones_like(residual)
    flat = residual.flatten(-2)  # …×NC
    scale = robust_scale(flat, valid.flatten(-2)).clamp(min=least)  # …×1
    weight = huber(flat, scale) if robust == "huber" else tukey(flat, scale)
    return weight.reshape(residual.shape)


def _gram(design: Tensor, weights: Tensor) -> Tensor:
    """Σ_n w_nc b_n b_nᵀ for weights …×N×C, as …×C×J×J."""
    scaled = weights.mT[..., None] * design[..., None, :, :]  # …×C×N×J
    return scaled.mT @ design[..., None, :, :]

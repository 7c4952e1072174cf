"""Light from known normals and free per-pixel albedo: nearby pixels mostly share their albedo.

Both models minimise a weighted sum over pairs of pixels p, q (specs/inverse_shading.md §2.4 b,
§4.4). The inverse one, of (i_p b_p·M − i_q b_q·M)² under a linear constraint, is closed form. The
regular one, of the difference of log (i / b·c), takes Gauss-Newton steps, the first of which, from
constant shading, is closed form too. Differences of chromaticity mark the borders of albedo.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from .models import (
    RECIPROCAL_FLOOR,
    Robust,
    robust_weights,
    solve_normal,
)
from .pixels import Pixels, ends
from .reciprocal import is_positive, positive, sphere_rows

Constraint = Literal["mean-inverse-shading", "mean-albedo"]

GATE = 1e-3
"""Width of the chroma gate: weight 1/e where sin²θ between two colours reaches it."""

SHADING_FLOOR = 0.2
"""Shading is clipped below at this fraction of its mean before the regular model divides by it:
darker pixels are lit by what distant light does not explain."""

_RELATIVE = 0.02
_GAUGE = 10.0
_DARK = 0.3


@dataclass(frozen=True, eq=False)
class Pairs:
    """Both ends of each of P pairs, gathered once for all iterations.

    Attributes:
        designs: the basis at the first and the second end, each B×P×J.
        images: the radiance there, each B×P×3.
        gated: B×P, the chroma gate; 0 for an unusable pair.
        mean_design: B×1×J, the mean row over the usable pixels.
        mean_image_design: B×3×J, the mean of i b over the usable pixels.
    """

    designs: tuple[Tensor, Tensor]
    images: tuple[Tensor, Tensor]
    gated: Tensor
    mean_design: Tensor
    mean_image_design: Tensor


def pair_up(design: Tensor, pixels: Pixels, gate: float = GATE) -> Pairs:
    """Gather the pairs of `pixels` under a design B×N×J with a chroma gate of width `gate`."""
    images = ends(pixels.image, pixels)  # B×P×3
    weights = averaging(pixels)  # B×N
    return Pairs(
        designs=ends(design, pixels),
        images=images,
        gated=chroma_gate(*images, gate) * pixels.paired,
        mean_design=weights[:, None] @ design,
        mean_image_design=(weights[..., None] * pixels.image).mT @ design,
    )


def chroma_gate(first: Tensor, second: Tensor, width: float = GATE) -> Tensor:
    """exp((cos²θ − 1) / width), θ the angle between the colours ...×3 of a pair, as ...."""
    square = _dot(first, second) ** 2
    norms = _dot(first, first) * _dot(second, second)
    cosine = square / norms.clamp(min=torch.finfo(norms.dtype).tiny)
    return torch.exp((cosine - 1) / width)


def inverse_retinex(
    pairs: Pairs,
    constraint: Constraint = "mean-inverse-shading",
    iterations: int = 3,
    noise: float = 0.0,
) -> Tensor:
    """Reciprocal-shading coefficients M, B×J×3.

    `iterations` re-weightings follow the closed form, with pair weights 1 / (rel² + 0.02²), rel the
    albedo difference over the mean albedo (§6 (i) 2). Weights 1/q² for the image error are left
    out: without an albedo model they let q drift upwards with its own differences. `noise` is the
    image noise whose bias is removed from the normal equations (§2.3).
    """
    weights = pairs.gated  # B×P
    light = _constrained(pairs, weights, constraint, noise)
    for _ in range(iterations):
        floor = RECIPROCAL_FLOOR * (pairs.mean_design @ light).abs()  # B×1×3
        first, second = (torch.maximum(design @ light, floor) for design in pairs.designs)
        step = first * pairs.images[0] - second * pairs.images[1]  # B×P×3
        mean = (pairs.mean_image_design * light.mT).sum(-1)[:, None].abs()  # B×1×3
        step = step / mean.clamp(min=1e-12)
        relative = _dot(step, step) / 3  # B×P
        weights = pairs.gated / (relative + _RELATIVE**2)
        light = _constrained(pairs, weights, constraint, noise)
    return light


def regular_retinex(
    pairs: Pairs, iterations: int = 3, robust: Robust = "huber", ridge: float = 3e-3
) -> Tensor:
    """Shading coefficients c, B×J×3, with mean shading 1 over the usable pixels of each channel.

    Each step solves for c itself, damped by `ridge` on all but the constant, so that normals that
    do not span the basis (a cylinder's) leave the rest at zero. `iterations` robust re-weightings
    follow the first step; pairs are also weighted by their darker end's radiance, for the noise of
    a logarithm goes with its reciprocal.
    """
    first, second = pairs.images
    logarithm = (first.clamp(min=1e-6) / second.clamp(min=1e-6)).log()  # B×P×3
    trusted = pairs.gated * _brightness(pairs)  # B×P
    rows = pairs.designs[0] - pairs.designs[1]  # B×P×J
    light = _solve(pairs, rows, trusted, logarithm, ridge)  # B×J×3
    for _ in range(iterations):
        floor = SHADING_FLOOR * (pairs.mean_design @ light).abs()  # B×1×3
        ends_ = [torch.maximum(design @ light, floor) for design in pairs.designs]  # B×P×3
        residual = logarithm - (ends_[0] / ends_[1]).log()  # B×P×3
        length = _dot(residual, residual)[..., None].div_(3).sqrt_()  # B×P×1
        outlying = robust_weights(length, trusted[..., None], robust, _RELATIVE)[..., 0]  # B×P
        light = _gauss_newton(pairs, trusted * outlying, residual, ends_, ridge)
    return light / (pairs.mean_design @ light)


def _constrained(pairs: Pairs, weights: Tensor, constraint: Constraint, noise: float) -> Tensor:
    """M = Q⁻¹c / (cᵀQ⁻¹c) for each channel, B×J×3."""
    solutions = []
    for channel in range(3):
        first, second = (image[..., channel, None] for image in pairs.images)  # B×P×1
        rows = (pairs.designs[0] * first).addcmul_(pairs.designs[1], second, value=-1)
        matrix = _gram(rows, weights)  # B×J×J
        if noise:
            matrix = matrix - noise**2 * sum(_gram(design, weights) for design in pairs.designs)
        by_albedo = constraint == "mean-albedo"
        mean = pairs.mean_image_design[:, channel] if by_albedo else pairs.mean_design[:, 0]  # B×J
        solution = solve_normal(matrix, mean, ridge=1e-10)  # B×J
        solution = solution / (mean * solution).sum(-1, keepdim=True)
        solutions.append(_kept_positive(solution, matrix, mean))
    return torch.stack(solutions, dim=-1)


def _kept_positive(solution: Tensor, matrix: Tensor, mean: Tensor) -> Tensor:
    """The solutions B×J; one that dips below 5 % of its mean in view is solved again (§5)."""
    rows = sphere_rows(round(solution.shape[-1] ** 0.5) - 1, solution, visible=True)
    kept = []
    for light, system, constraint in zip(solution, matrix, mean, strict=True):
        if is_positive(light, rows):
            kept.append(light)
            continue
        pull = system.diagonal().mean() * _GAUGE / constraint.square().sum()
        stiff = system + 1e-10 * system.diagonal().mean() * torch.eye(len(system)).to(system)
        stiff = stiff + pull * constraint[:, None] * constraint
        kept.append(positive(stiff, pull * constraint, rows))
    return torch.stack(kept)


def _gauss_newton(
    pairs: Pairs, weights: Tensor, residual: Tensor, shadings: list[Tensor], ridge: float
) -> Tensor:
    """The next c: residual ≈ J c with J the differences of b / s, B×J×3.

    log (b·c) ≈ log s + b·c/s − 1, and the ones of both ends cancel.
    """
    inverses = [1 / shading for shading in shadings]  # B×P×3
    solutions = []
    for channel in range(3):
        first, second = (inverse[..., channel, None] for inverse in inverses)  # B×P×1
        rows = (pairs.designs[0] * first).addcmul_(pairs.designs[1], second, value=-1)
        solutions.append(_solve(pairs, rows, weights, residual[..., channel, None], ridge))
    return torch.cat(solutions, dim=-1)


def _solve(pairs: Pairs, rows: Tensor, weights: Tensor, target: Tensor, ridge: float) -> Tensor:
    """c B×J×C of least squares rows·c = target (B×P×J, B×P×C), damped, under mean shading 1."""
    mean = pairs.mean_design  # B×1×J
    damping = torch.full_like(mean[0, 0], ridge + 1e-12)
    damping[0] = 1e-12
    weighted = weights[..., None] * rows  # B×P×J
    matrix = weighted.mT @ rows  # B×J×J
    scale = matrix.diagonal(dim1=-2, dim2=-1).mean(-1)[:, None, None]  # B×1×1
    scale = torch.where(scale > 0, scale, 1.0)
    gauge = _GAUGE * scale * mean.mT  # B×J×1
    system = matrix + scale * torch.diag(damping) + gauge @ mean
    solution: Tensor = torch.linalg.solve(system, weighted.mT @ target + gauge)
    return solution


def _dot(first: Tensor, second: Tensor) -> Tensor:
    """Σ over the three channels of ...×3; a reduction over so short an axis is much slower."""
    total = first[..., 0] * second[..., 0]
    return total.addcmul(first[..., 1], second[..., 1]).addcmul_(first[..., 2], second[..., 2])


def _brightness(pairs: Pairs) -> Tensor:
    """m² / (m² + (0.3 mean)²), m the radiance of a pair's darker end, B×P."""
    ones = torch.ones_like(pairs.mean_design[0, 0, :1]).expand(3)
    darker = torch.minimum(*(_dot(image, ones / 3) for image in pairs.images)) ** 2  # B×P
    mean = pairs.mean_image_design[..., 0].mean(-1) / pairs.mean_design[:, 0, 0]  # B
    return darker / (darker + (_DARK * mean[:, None]) ** 2 + 1e-30)


def averaging(pixels: Pixels) -> Tensor:
    """Weights B×N that average over the usable pixels, or over all where none is usable."""
    weights = torch.where(pixels.usable.sum(1, keepdim=True) > 0, pixels.usable, 1.0)
    return weights / weights.sum(1, keepdim=True)


def _gram(rows: Tensor, weights: Tensor) -> Tensor:
    return (weights[..., None] * rows).mT @ rows  # B×J×J

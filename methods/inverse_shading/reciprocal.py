"""Reciprocal shading q(n) = b(n)·M ≈ 1 / s(n): fitting it to known shading, keeping it positive,
and turning it back into ordinary light (specs/inverse_shading.md §2.5, §3, §5)."""

from __future__ import annotations

from functools import cache
from typing import Literal

import numpy as np
import scipy.optimize
import torch
from torch import Tensor

from bench.graphics.spherical_harmonics import basis, fibonacci_directions

from .models import RECIPROCAL_FLOOR

Objective = Literal["recip", "unit", "lin", "gn"]

_STEPS = 20


def fit_reciprocal(design: Tensor, shading: Tensor, objective: Objective) -> Tensor:
    """M …×J for shading …×N at design rows …×N×J (§3).

    Objectives: "recip" Σ(q − 1/s)², dominated by dark normals; "unit" Σ(s q − 1)²; "lin"
    Σ s²(s q − 1)², the shading error to first order; "gn" Σ(1/q − s)² by Gauss-Newton from "lin".
    """
    if objective == "recip":
        return _least_squares(design, 1 / shading)
    if objective == "unit":
        return _least_squares(shading[..., None] * design, torch.ones_like(shading))
    light = _least_squares((shading**2)[..., None] * design, shading)
    return light if objective == "lin" else _gauss_newton(design, shading, light)


def regular_from_reciprocal(light: Tensor, order: int = 2, samples: int = 2048) -> Tensor:
    """Shading coefficients …×(order+1)²×C of 1/q, q = b·M clipped at 5 % of its mean (§2.5).

    `light` is M, …×J×C, of any order; both series live on the whole sphere.
    """
    rows = _design(samples, _order(light), False).to(light)  # S×J
    reciprocal = rows @ light  # …×S×C
    floor = RECIPROCAL_FLOOR * reciprocal.mean(-2, keepdim=True).abs()
    inverse = _inverse_design(samples, order).to(light)  # (order+1)²×S
    return inverse @ (1 / torch.maximum(reciprocal, floor))


def is_positive(light: Tensor, rows: Tensor, margin: float = 0.05) -> bool:
    """Whether q = b·M at design rows S×K stays above `margin` times its mean there."""
    values = rows @ light
    return bool(values.min() > margin * values.mean().abs())


def positive(matrix: Tensor, vector: Tensor, rows: Tensor, margin: float = 0.05) -> Tensor:
    """argmin xᵀ matrix x / 2 − vectorᵀ x with q = rows·x ≥ ε, for K×K, K and S×K (§5).

    ε is `margin` times the mean of |q| at the free solution. Solved exactly, as Lawson and Hanson's
    least-distance problem, whose dual their active-set NNLS solves; on the CPU, for K is small.
    """
    root = torch.linalg.cholesky(matrix).mT.cpu().numpy()  # matrix = RᵀR
    free = torch.linalg.solve(matrix, vector).cpu().numpy()
    directions = rows.cpu().numpy()
    values = directions @ free  # S
    # With y = R (x − free): the shortest y with rows R⁻¹ y ≥ ε − values.
    turned = np.linalg.solve(root.T, directions.T)  # K×S
    stacked = np.vstack([turned, margin * np.abs(values).mean() - values])  # (K+1)×S
    unit = np.append(np.zeros(len(free)), 1.0)
    dual, _ = scipy.optimize.nnls(stacked, unit, maxiter=50 * len(values))
    residual = stacked @ dual - unit
    step = np.linalg.solve(root, -residual[:-1] / residual[-1])
    return torch.as_tensor(free + step).to(matrix)


def sphere_rows(order: int, like: Tensor, visible: bool = False) -> Tensor:
    """Design rows at 400 directions of the sphere, or those of them that face the viewer."""
    return _design(400, order, visible).to(like)


@cache
def _design(samples: int, order: int, visible: bool) -> Tensor:
    directions = fibonacci_directions(samples)
    chosen = directions[directions[:, 2] > 0] if visible else directions
    return torch.from_numpy(basis(chosen, order))


@cache
def _inverse_design(samples: int, order: int) -> Tensor:
    inverse: Tensor = torch.linalg.pinv(_design(samples, order, False))
    return inverse


def _gauss_newton(design: Tensor, shading: Tensor, light: Tensor) -> Tensor:
    """Minimise Σ(1/q − s)² from `light`, halving each step until the error falls."""
    error = _shading_error(design, shading, light)
    for _ in range(_STEPS):
        reciprocal = (design @ light[..., None])[..., 0]  # …×N
        jacobian = -design / reciprocal[..., None] ** 2
        step = _least_squares(jacobian, shading - 1 / reciprocal)
        for _ in range(10):
            trial = _shading_error(design, shading, light + step)
            better = trial < error
            if bool(better.all()):
                break
            step = torch.where(better[..., None], step, step / 2)
        light = torch.where((trial < error)[..., None], light + step, light)
        error = torch.minimum(trial, error)
    return light


def _shading_error(design: Tensor, shading: Tensor, light: Tensor) -> Tensor:
    reciprocal = (design @ light[..., None])[..., 0]  # …×N
    squared = (1 / reciprocal - shading).square().sum(-1)
    return torch.where((reciprocal > 0).all(-1), squared, torch.inf)


def _least_squares(rows: Tensor, values: Tensor) -> Tensor:
    solution: Tensor = torch.linalg.lstsq(rows, values[..., None]).solution[..., 0]
    return solution


def _order(light: Tensor) -> int:
    return int(light.shape[-2] ** 0.5 + 0.5) - 1

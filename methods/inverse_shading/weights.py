"""Robust weights for iteratively reweighted least squares (specs/inverse_shading.md §5)."""

from __future__ import annotations

import torch
from torch import Tensor

HUBER = 1.345
TUKEY = 4.685


def robust_scale(residuals: Tensor, valid: Tensor) -> Tensor:
    """σ = 1.4826 median |r| of residuals ...×P where `valid` (...×P) is positive, as ...×1.

    The lower median of an even count; where nothing is valid the scale is 1e30, so that every
    weight is 1.
    """
    magnitudes = residuals.abs().masked_fill(valid <= 0, torch.nan)
    median = magnitudes.nanmedian(dim=-1, keepdim=True).values  # ...×1
    return (1.4826 * median).nan_to_num(nan=1e30)


def huber(residuals: Tensor, scale: Tensor) -> Tensor:
    """min(1, 1.345 σ / |r|), shape of `residuals`; 1 for a zero residual."""
    limit = HUBER * scale
    return limit / torch.maximum(residuals.abs(), limit.clamp(min=torch.finfo(limit.dtype).tiny))


def tukey(residuals: Tensor, scale: Tensor) -> Tensor:
    """(1 − (r / 4.685 σ)²)² inside, 0 outside, shape of `residuals`."""
    limit = (TUKEY * scale).clamp(min=torch.finfo(scale.dtype).tiny)
    return (1 - (residuals / limit) ** 2).clamp(min=0) ** 2

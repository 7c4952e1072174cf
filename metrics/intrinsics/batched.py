"""Errors of albedo and shading of B pairs at once, on their device: the twins of `metric`."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d

from bench.metrics.intrinsics.metric import _LEAST_POWER, STEP, WINDOW
from bench.protocol.batched import PreparedBatch


def errors(
    quantity: str, prepared: PreparedBatch, invariant: PreparedBatch
) -> Mapping[str, Tensor]:
    """PSNR and LMSE of B pairs, and si-MSE of the same after a scale."""
    return {
        f"{quantity}.psnr": prepared.psnr(),
        f"{quantity}.si_mse": invariant.where_defined(invariant.mean_squared_error()),
        f"{quantity}.lmse": local_error(prepared),
    }


def local_error(prepared: PreparedBatch, window: int = WINDOW, step: int = STEP) -> Tensor:
    """`metric.local_error` of B pairs; NaN where no window holds any target."""
    if min(prepared.inside.shape[1:]) < window:
        return torch.full_like(prepared.target[:, 0, 0, 0], torch.nan)
    first, second = (
        values * prepared.inside[..., None] for values in (prepared.prediction, prepared.target)
    )
    products = [(a * b).sum(-1) for a, b in ((first, first), (first, second), (second, second))]
    means = avg_pool2d(torch.stack(products, dim=1), window, step)  # B×3×rows×columns
    power, cross, total = (window**2 * means).unbind(1)  # B×rows×columns
    scale = torch.where(power > _LEAST_POWER, cross / power.clamp(min=_LEAST_POWER), 0)
    error = (total - 2 * scale * cross + scale**2 * power).clamp(min=0)
    # 0 ÷ 0 where there is no target.
    return error.sum((1, 2)) / total.sum((1, 2))

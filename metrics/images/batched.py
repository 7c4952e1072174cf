"""SSIM and LPIPS of B pairs at once, on their device: the twins of `ssim` and `perceptual`."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from bench.metrics.images.ssim import SETTINGS, STABILISERS, Setting
from bench.protocol.batched import PreparedBatch


def ssim(prepared: PreparedBatch) -> Tensor:
    """`ssim.ssim` of B pairs, B values in float64."""
    comparison, setting = prepared.comparison, SETTINGS[prepared.comparison.window]
    within = comparison.averaged == "inside"
    first, second = (
        _framed(frames.permute(0, 3, 1, 2), setting, within)  # B×C×H×W
        for frames in (prepared.prediction, prepared.target)
    )
    similarity = _similarities(first, second, setting, comparison.peak).mean(1)  # B×H×W
    return _mean(similarity, prepared)


def lpips(network: Any, prepared: PreparedBatch) -> Tensor:
    """`perceptual.distance` of B pairs, B values in float64."""
    first, second = (
        frames.permute(0, 3, 1, 2).float()  # B×3×H×W
        for frames in (prepared.prediction, prepared.target)
    )
    with torch.inference_mode():
        found = network(first, second, normalize=True)[:, 0].double()  # B×H×W, or B×1×1
    return _mean(found, prepared)


def _mean(values: Tensor, prepared: PreparedBatch) -> Tensor:
    """Means B of maps B×H×W over the frame or, where the comparison says so, inside the mask."""
    if prepared.comparison.averaged != "inside":
        return values.mean((1, 2))
    return (values * prepared.inside).sum((1, 2)) / prepared.inside.sum((1, 2))


def _similarities(first: Tensor, second: Tensor, setting: Setting, peak: float) -> Tensor:
    """SSIM of every whole window of B×C×H×W images, by its formula: B×C×(H−k+1)×(W−k+1)."""
    moments = [first, second, first * first, second * second, first * second]
    mean1, mean2, square1, square2, product = _blur(torch.cat(moments), setting).chunk(5)
    spread = setting.spread()
    variances = spread * (square1 - mean1**2 + square2 - mean2**2)
    covariance = spread * (product - mean1 * mean2)
    c1, c2 = ((stabiliser * peak) ** 2 for stabiliser in STABILISERS)
    above = (2 * mean1 * mean2 + c1) * (2 * covariance + c2)
    below = (mean1**2 + mean2**2 + c1) * (variances + c2)
    similarity: Tensor = above / (below + (setting.slack or 0))
    return similarity if setting.slack is None else similarity.clamp(-1, 1)


def _blur(images: Tensor, setting: Setting) -> Tensor:
    """Weighted means of N×C×H×W over whole windows."""
    channels = images.shape[1]
    taps = torch.as_tensor(setting.kernel()).to(images).expand(channels, 1, -1)  # C×1×k
    across = functional.conv2d(images, taps[:, :, None, :], groups=channels)
    return functional.conv2d(across, taps[..., None], groups=channels)


def _framed(images: Tensor, setting: Setting, within: bool) -> Tensor:
    """B×C×H×W with the border that a setting, or a mean inside a mask, needs."""
    border = setting.border or ("symmetric" if within else "")
    reach = setting.taps // 2
    if not border:
        return images
    if border == "constant":
        return functional.pad(images, (reach, reach, reach, reach))
    for axis in (2, 3):
        pixels = np.arange(images.shape[axis])
        order = np.pad(pixels, reach, mode="reflect" if border == "reflect" else "symmetric")
        images = images.index_select(axis, torch.as_tensor(order, device=images.device))
    return images

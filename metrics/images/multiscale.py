"""Multi-scale SSIM, which papers on photo collections report beside PSNR."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from bench.api import MetricCard
from bench.metrics.images.metric import FrameMetric
from bench.metrics.images.ssim import SETTINGS, STABILISERS
from bench.protocol import Comparison
from bench.protocol.apply import Mask, Prepared
from bench.protocol.batched import PreparedBatch

WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
"""Of the five scales, finest first."""

SMALLEST = 2 ** (len(WEIGHTS) - 1) * SETTINGS["gauss11"].taps
"""The least side in pixels that leaves a whole window at the coarsest scale."""


def metric(card: MetricCard) -> FrameMetric:
    """MS-SSIM of the mask's bounding box, the background outside the mask; 1 at best.

    Undefined where a side of the box is smaller than `SMALLEST`.
    """
    return FrameMetric(card, _measure, _measure_batch, fits=_fits)


def ms_ssim(first: Tensor, second: Tensor, peak: float = 1.0) -> Tensor:
    """MS-SSIM of B×C×H×W images whose data range is `peak`: B values.

    Wang, Simoncelli and Bovik, Multi-scale structural similarity, 2003: contrast and structure of
    each scale, luminance of the coarsest alone; negative means count as 0, channels are averaged.
    """
    total = first.new_ones(first.shape[:2])  # B×C
    for scale, weight in enumerate(WEIGHTS):
        luminance, structure = _terms(first, second, peak)
        coarsest = scale == len(WEIGHTS) - 1
        values = luminance * structure if coarsest else structure  # B×C×h×w
        total = total * values.mean((2, 3)).clamp(min=0) ** weight
        first, second = (functional.avg_pool2d(image, 2) for image in (first, second))
    return total.mean(1)


def _terms(first: Tensor, second: Tensor, peak: float) -> tuple[Tensor, Tensor]:
    """Luminance, and contrast times structure, of every whole window: B×C×(H−10)×(W−10) each."""
    moments = [first, second, first * first, second * second, first * second]
    mean1, mean2, square1, square2, product = (_blur(moment) for moment in moments)
    c1, c2 = ((stabiliser * peak) ** 2 for stabiliser in STABILISERS)
    luminance = (2 * mean1 * mean2 + c1) / (mean1**2 + mean2**2 + c1)
    variances = square1 - mean1**2 + square2 - mean2**2
    return luminance, (2 * (product - mean1 * mean2) + c2) / (variances + c2)


def _blur(images: Tensor) -> Tensor:
    """Gaussian means of B×C×H×W over whole windows of 11 pixels."""
    kernel = torch.as_tensor(SETTINGS["gauss11"].kernel()).to(images)  # 11
    planes = images.flatten(0, 1)[:, None]  # BC×1×H×W
    planes = functional.conv2d(planes, kernel[None, None, :, None])  # BC×1×(H−10)×W
    planes = functional.conv2d(planes, kernel[None, None, None, :])  # BC×1×(H−10)×(W−10)
    return planes.reshape(*images.shape[:2], *planes.shape[2:])  # B×C×(H−10)×(W−10)


def _measure(prepared: Prepared, comparison: Comparison) -> float:
    first, second = (torch.from_numpy(frame) for frame in prepared.frames())  # H×W×C each
    return float(_boxed(first, second, torch.from_numpy(prepared.inside), comparison.peak))


def _measure_batch(prepared: PreparedBatch) -> Tensor:
    peak = prepared.comparison.peak
    parts = zip(prepared.prediction, prepared.target, prepared.inside, strict=True)
    return torch.stack([_boxed(*part, peak) for part in parts])  # B


def _boxed(first: Tensor, second: Tensor, inside: Tensor, peak: float) -> Tensor:
    """Of two frames H×W×C, inside the bounding box of `inside` H×W; NaN where it is too small."""
    box = _box(inside)
    if box is None:
        return first.new_tensor(torch.nan)
    a, b = (frame[box].permute(2, 0, 1)[None].double() for frame in (first, second))  # 1×C×h×w
    return ms_ssim(a, b, peak)[0]


def _fits(inside: Mask, comparison: Comparison) -> bool:
    return _box(torch.from_numpy(inside)) is not None


def _box(inside: Tensor) -> tuple[slice, slice] | None:
    """The bounding box of the pixels inside, H×W; None where a side is too small."""
    sides = [torch.nonzero(inside.any(axis))[:, 0].tolist() for axis in (1, 0)]
    if not all(side and side[-1] - side[0] + 1 >= SMALLEST for side in sides):
        return None
    rows, columns = (slice(side[0], side[-1] + 1) for side in sides)
    return rows, columns

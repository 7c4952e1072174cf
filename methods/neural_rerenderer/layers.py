"""The primitives that the networks are made of (specs/neural_rerendering.md §4)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

SLOPE = 0.2
"""Of every leaky rectifier."""


def leaky(features: Tensor) -> Tensor:
    """Leaky rectifier, any shape."""
    return F.leaky_relu(features, SLOPE)


def halved(features: Tensor) -> Tensor:
    """B×c×h×w → B×c×⌊h/2⌋×⌊w/2⌋: the mean of each 2×2 pixels."""
    return F.avg_pool2d(features, 2)


def doubled(features: Tensor) -> Tensor:
    """B×c×h×w → B×c×2h×2w: each pixel four times."""
    return F.interpolate(features, scale_factor=2.0, mode="nearest")


def pixel_norm(features: Tensor) -> Tensor:
    """Each pixel of B×c×h×w divided by the root of its mean square over channels."""
    mean = features.float().square().mean(1, keepdim=True)  # B×1×h×w
    return features * torch.rsqrt(mean + 1e-8).to(features.dtype)


def with_batch_deviation(features: Tensor) -> Tensor:
    """B×c×h×w and a constant channel, so that a discriminator sees how alike a batch is.

    The constant is the standard deviation over the batch (biased, 1e-8 under the root), averaged
    over channels and positions: 1e-4 where B = 1.
    """
    variance = features.float().var(0, correction=0)  # c×h×w
    deviation = (variance + 1e-8).sqrt().mean().to(features.dtype)
    channel = deviation.expand(features.shape[0], 1, *features.shape[2:])  # B×1×h×w
    return torch.cat([features, channel], dim=1)  # B×(c+1)×h×w


class EqualisedConv2d(nn.Module):
    """A convolution whose weights are drawn from N(0, 1) and scaled at run time.

    Zero padding is TensorFlow's SAME: ⌈h / stride⌉ rows come out, and where the padding is odd,
    the bottom and the right get one more.

    Args:
        inputs: channels.
        outputs: channels.
        size: pixels per side of the kernel.
        stride: 1 or 2.
        slope: s of the scale √(2 / ((1 + s²) · inputs · size²)).
    """

    def __init__(
        self, inputs: int, outputs: int, size: int, stride: int = 1, slope: float = SLOPE
    ) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(outputs, inputs, size, size))
        self.bias = nn.Parameter(torch.zeros(outputs))
        self.stride = stride
        self.scale = (2 / ((1 + slope**2) * inputs * size**2)) ** 0.5

    def forward(self, features: Tensor) -> Tensor:
        """B×inputs×h×w → B×outputs×⌈h/stride⌉×⌈w/stride⌉."""
        padding = [
            same_padding(side, self.weight.shape[-1], self.stride) for side in features.shape[2:]
        ]
        (top, bottom), (left, right) = padding
        if (top, left) != (bottom, right):
            features = F.pad(features, (left, right, top, bottom))
            top = left = 0
        return F.conv2d(
            features, self.weight * self.scale, self.bias, self.stride, (top, left)
        )  # B×outputs×h'×w'


def same_padding(side: int, size: int, stride: int) -> tuple[int, int]:
    """Zeros before and after a side of so many pixels under TensorFlow's SAME."""
    total = max((-(-side // stride) - 1) * stride + size - side, 0)
    return total // 2, total - total // 2

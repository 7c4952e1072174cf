"""The U-Net that paints the albedo (specs/vase_derenderer.md §2.2).

Module names and the order of the layers give the state dict the official file's keys.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from .layers import doubled_convolution


class _Level(nn.Module):
    """A down convolution, what lies below, an up convolution; B×c×h×w → B×2c×h×w with the skip."""

    def __init__(self, outer: int, inner: int, below: _Level | None, normed: bool) -> None:
        super().__init__()
        widened = inner if below is None else 2 * inner  # below hands back its input, too
        self.model = nn.Sequential(
            nn.LeakyReLU(0.2),
            nn.Conv2d(outer, inner, 4, 2, 1, bias=not normed),
            *([nn.InstanceNorm2d(inner)] if normed else []),
            *([below] if below is not None else []),
            nn.ReLU(),
            *doubled_convolution(widened, outer, bias=not normed),
            *([nn.InstanceNorm2d(outer)] if normed else []),
        )

    def forward(self, features: Tensor) -> Tensor:
        return torch.cat([features, self.model(features)], 1)  # B×2c×h×w


class _Outermost(nn.Module):
    def __init__(self, width: int, below: _Level) -> None:
        super().__init__()
        self.model = nn.Sequential(
            nn.Conv2d(3, width, 4, 2, 1, bias=False),
            below,
            nn.ReLU(),
            *doubled_convolution(2 * width, 3, bias=True),
            nn.Tanh(),
        )

    def forward(self, image: Tensor) -> Tensor:
        painted: Tensor = self.model(image)
        return painted


def unet(channels: list[int]) -> nn.Module:
    """B×3×S×S → B×3×S×S in −1…1, S = 4·2^levels, with `channels` after each halving.

    A level that doubles the channels is normalised, except the innermost; the others have biases
    in place of the normalisation.
    """
    below: _Level | None = None
    for depth in range(len(channels) - 1, 0, -1):
        outer, inner = channels[depth - 1], channels[depth]
        below = _Level(outer, inner, below, normed=below is not None and inner != outer)
    assert below is not None, "a U-Net has two levels at least"
    return _Outermost(channels[0], below)

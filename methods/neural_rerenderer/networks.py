"""Generator, appearance encoder and discriminators (specs/neural_rerendering.md §5).

Pictures and framebuffers are in −1…1, sRGB-encoded where they are colours; empty pixels are −1.
"""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn

from bench.errors import InvalidValueError

from .configuration import ALIGNMENT, Configuration
from .layers import (
    EqualisedConv2d,
    doubled,
    halved,
    leaky,
    pixel_norm,
    with_batch_deviation,
)

SMALLEST_APPEARANCE = 16
"""Pixels per side of the least appearance input: the encoder halves four times."""


class Generator(nn.Module):
    """A framebuffer under an appearance → a picture: a U-Net, the code joining at its bottom."""

    def __init__(self, configuration: Configuration) -> None:
        super().__init__()
        widths = configuration.widths  # finest first
        bottom = widths[-1] + configuration.code
        inputs = [bottom, *(2 * width for width in widths[-2:0:-1])]
        self.first = EqualisedConv2d(configuration.channels, widths[0], 1, slope=1.0)
        self.down = nn.ModuleList(_Down(before, after) for before, after in pairwise(widths))
        self.up = nn.ModuleList(
            _Up(before, after) for before, after in zip(inputs, widths[-2::-1], strict=True)
        )
        self.last = EqualisedConv2d(widths[0], 3, 1, slope=1.0)

    def forward(self, framebuffer: Tensor, code: Tensor) -> Tensor:
        """B×C×H×W and B×code → B×3×H×W, not clipped; H and W are multiples of 64.

        Raises:
            InvalidValueError: H or W is not.
        """
        height, width = framebuffer.shape[2:]
        if height % ALIGNMENT or width % ALIGNMENT:
            raise InvalidValueError(
                "shape", f"framebuffer of {height}×{width}: sides must be multiples of {ALIGNMENT}"
            )
        features = leaky(self.first(framebuffer))  # B×w₀×H×W
        skips = []
        for down in self.down:
            features = down(features)  # B×wₖ×H/2ᵏ×W/2ᵏ
            skips.append(features)
        features = skips.pop()  # B×w₆×H/64×W/64
        tiled = code[:, :, None, None].expand(-1, -1, *features.shape[2:])  # B×code×H/64×W/64
        features = self.up[0](torch.cat([features, tiled.to(features.dtype)], dim=1))  # B×w₅×H/32…
        for up, skip in zip(self.up[1:], reversed(skips), strict=True):
            features = up(torch.cat([features, skip], dim=1))  # twice as high and as wide
        picture: Tensor = self.last(features)  # B×3×H×W
        return picture.float()


class _Down(nn.Module):
    """B×before×h×w → B×after×h/2×w/2."""

    def __init__(self, before: int, after: int) -> None:
        super().__init__()
        self.first = EqualisedConv2d(before, after, 3)
        self.second = EqualisedConv2d(after, after, 3)

    def forward(self, features: Tensor) -> Tensor:
        features = pixel_norm(leaky(self.first(halved(features))))
        return pixel_norm(leaky(self.second(features)))


class _Up(nn.Module):
    """B×before×h×w → B×after×2h×2w."""

    def __init__(self, before: int, after: int) -> None:
        super().__init__()
        self.first = EqualisedConv2d(before, after, 3)
        self.second = EqualisedConv2d(after, after, 3)

    def forward(self, features: Tensor) -> Tensor:
        features = pixel_norm(leaky(self.first(doubled(features))))
        return pixel_norm(leaky(self.second(features)))


class AppearanceEncoder(nn.Module):
    """A photo beside its framebuffer → the code of its appearance; nothing is drawn at random."""

    def __init__(self, configuration: Configuration) -> None:
        super().__init__()
        widths = configuration.encoder_widths
        self.first = EqualisedConv2d(3 + configuration.channels, widths[0], 4, stride=2)
        self.blocks = nn.ModuleList(_Residual(before, after) for before, after in pairwise(widths))
        self.mean = _linear(widths[-1], configuration.code)
        self.log_variance = _linear(widths[-1], configuration.code)

    def forward(self, appearance: Tensor) -> Tensor:
        """B×(3+C)×h×w, photo first → B×code; any h and w of at least 16.

        Raises:
            InvalidValueError: h or w is less.
        """
        height, width = appearance.shape[2:]
        if min(height, width) < SMALLEST_APPEARANCE:
            raise InvalidValueError(
                "shape",
                f"appearance photo of {height}×{width}: at least "
                f"{SMALLEST_APPEARANCE}×{SMALLEST_APPEARANCE} pixels are needed",
            )
        features = self.first(appearance)  # B×w₀×h/2×w/2
        for block in self.blocks:
            features = pixel_norm(block(features))
        pooled = leaky(features).mean((2, 3))  # B×w₃
        code: Tensor = self.mean(pooled) + (self.log_variance(pooled) / 2).exp()  # B×code
        return code.float()


class _Residual(nn.Module):
    """B×before×h×w → B×after×⌊h/2⌋×⌊w/2⌋."""

    def __init__(self, before: int, after: int) -> None:
        super().__init__()
        self.first = EqualisedConv2d(before, after, 3, slope=1.0)
        self.second = EqualisedConv2d(after, after, 3, slope=1.0)
        self.shortcut = EqualisedConv2d(before, after, 1, slope=1.0)

    def forward(self, features: Tensor) -> Tensor:
        changed = halved(self.second(leaky(self.first(leaky(features)))))  # B×after×h/2×w/2
        shortcut: Tensor = self.shortcut(halved(features))  # B×after×h/2×w/2
        return changed + shortcut


def _linear(inputs: int, outputs: int) -> nn.Linear:
    layer = nn.Linear(inputs, outputs)
    nn.init.normal_(layer.weight, std=0.02)
    nn.init.zeros_(layer.bias)
    return layer


class Discriminators(nn.Module):
    """Three independent judges of patches, each at half the resolution of the one before."""

    def __init__(self, configuration: Configuration) -> None:
        super().__init__()
        self.scales = nn.ModuleList(_Discriminator(configuration) for _ in range(3))

    def forward(self, picture: Tensor, framebuffer: Tensor) -> tuple[Tensor, ...]:
        """B×3×H×W beside B×C×H×W → scores B×1×H/8×W/8, …/16, …/32; 1 for real, 0 for made."""
        judged = torch.cat([picture, framebuffer], dim=1)  # B×(3+C)×H×W
        scores: list[Tensor] = []
        for discriminator in self.scales:
            if scores:
                judged = halved(judged)
            scores.append(discriminator(judged))
        return tuple(scores)


class _Discriminator(nn.Module):
    """B×(3+C)×h×w → scores B×1×h/8×w/8."""

    def __init__(self, configuration: Configuration) -> None:
        super().__init__()
        w0, w1, w2, w3 = configuration.discriminator_widths
        self.convolutions = nn.ModuleList(
            [
                EqualisedConv2d(3 + configuration.channels, w0, 4, stride=2),
                EqualisedConv2d(w0, w1, 4, stride=2),
                EqualisedConv2d(w1, w2, 4, stride=2),
                EqualisedConv2d(w2 + 1, w3, 4),
                EqualisedConv2d(w3, 1, 4),
            ]
        )
        self.norms = nn.ModuleList(nn.InstanceNorm2d(w, affine=True) for w in (w1, w2, w3))

    def forward(self, judged: Tensor) -> Tensor:
        first, second, third, fourth, last = self.convolutions
        features = leaky(first(judged))  # B×w₀×h/2×w/2
        features = leaky(self.norms[0](second(features)))  # B×w₁×h/4×w/4
        features = leaky(self.norms[1](third(features)))  # B×w₂×h/8×w/8
        features = leaky(self.norms[2](fourth(with_batch_deviation(features))))  # B×w₃×h/8×w/8
        scores: Tensor = last(features)  # B×1×h/8×w/8
        return scores.float()

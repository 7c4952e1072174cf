"""What training minimises (specs/neural_rerendering.md §6); none of it is weighted here."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from .vgg import Vgg16

LAYER_WEIGHTS = (1 / 32, 1 / 16, 1 / 8, 1 / 4, 1.0)
"""Of conv1_2, conv2_2, conv3_2, conv4_2 and conv5_2 in the perceptual loss."""

FEATURE_SCALE = 0.1
"""VGG's features differ by hundreds, its inputs being 0…255; so much of it is squared."""


def discriminator_loss(real: Sequence[Tensor], made: Sequence[Tensor]) -> Tensor:
    """Σ over scales of mean (D(t) − 1)² + mean D(y)²: not averaged, not halved."""
    terms = [(r - 1).square().mean() + m.square().mean() for r, m in zip(real, made, strict=True)]
    return torch.stack(terms).sum()


def generator_gan_loss(made: Sequence[Tensor]) -> Tensor:
    """Σ over scales of mean (D(y) − 1)²."""
    return torch.stack([(scores - 1).square().mean() for scores in made]).sum()


class PerceptualLoss(nn.Module):
    """Σ over VGG's layers of w · mean (0.1 (a(y) − a(t)))², over batch, space and channels."""

    def __init__(self, vgg: Vgg16) -> None:
        super().__init__()
        self.vgg = vgg

    def forward(self, made: Tensor, target: Tensor) -> Tensor:
        """B×3×H×W each, in −1…1 → a number; no gradient reaches the target."""
        with torch.no_grad():
            wanted = self.vgg(target)
        terms = [
            weight * (FEATURE_SCALE * (a - b)).square().mean()
            for weight, a, b in zip(LAYER_WEIGHTS, self.vgg(made), wanted, strict=True)
        ]
        return torch.stack(terms).sum()


class L1Loss(nn.Module):
    """Mean |y − t|, which stands in for `PerceptualLoss` where VGG's weights are absent."""

    def forward(self, made: Tensor, target: Tensor) -> Tensor:
        """B×3×H×W each, in −1…1 → a number."""
        return (made - target).abs().mean()


def triplet_loss(anchor: Tensor, positive: Tensor, negative: Tensor, margin: float) -> Tensor:
    """Codes B×8 each → mean of max(‖a − p‖² − ‖a − n‖² + margin, 0)."""
    near = (anchor - positive).square().sum(1)  # B
    far = (anchor - negative).square().sum(1)  # B
    return (near - far + margin).clamp(min=0).mean()

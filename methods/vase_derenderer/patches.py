"""Albedo patches for the self-supervised discriminator (specs/vase_derenderer.md §5.2).

Where little light is reflected specularly, albedo must be right; where much is, it should look as
it does elsewhere. So the least specular patches of a batch are "real", more specular ones "fake".
"""

from __future__ import annotations

import torch
import torch.nn.functional as functional
from torch import Tensor

WINDOWS = 8
"""Patches of one image."""

_FRACTIONS = (0.25, 0.5)


def random_windows(count: int, generator: torch.Generator) -> Tensor:
    """`count`×4 windows (left, top, width, height) as fractions of the crop.

    Width and height are independently uniform in [0.25, 0.5], the position uniform inside.
    """
    low, high = _FRACTIONS
    drawn = torch.rand(count, 4, generator=generator)  # count×4
    extent = low + (high - low) * drawn[:, 2:]  # count×2
    return torch.cat([drawn[:, :2] * (1 - extent), extent], dim=1)  # count×4


def cut(maps: Tensor, windows: Tensor, size: int) -> Tensor:
    """Resample windows of maps B×C×h×w into BN×C×size×size; windows are BN×4, N to each map.

    The sample grid ends on the window's corners; the lookup is bilinear with texel centres at
    (k+½)/size, the border held.
    """
    count = len(windows) // len(maps)
    steps = torch.linspace(0, 1, size, device=maps.device)  # size
    left, top, width, height = windows.to(maps).unbind(dim=1)  # BN each
    x = (left[:, None] + width[:, None] * steps)[:, None, :].expand(-1, size, -1)  # BN×size×size
    y = (top[:, None] + height[:, None] * steps)[:, :, None].expand(-1, -1, size)  # BN×size×size
    grid = 2 * torch.stack([x, y], dim=-1) - 1  # BN×size×size×2
    # One above the other, so that no map has to be repeated for its windows.
    column = grid.reshape(len(maps), count * size, size, 2)  # B×N·size×size×2
    cut_out = functional.grid_sample(maps, column, padding_mode="border", align_corners=False)
    patches = cut_out.reshape(*maps.shape[:2], count, size, size).transpose(1, 2)
    return patches.flatten(0, 1)  # B×N×C×size×size to BN×C×size×size


def real_and_fake(
    albedo: Tensor, specular: Tensor, size: int, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Patches 2B×3×size×size of the least specular quarter, and of a random half of the upper half.

    Args:
        albedo: tone-mapped front crop B×3×h×w.
        specular: linear specular shading times its albedo, B×1×h×w.
        size: side of a patch in pixels.
        generator: of the processor; the draw is the same on every device.
    """
    maps = torch.cat([albedo, specular], dim=1)  # B×4×h×w
    patches = cut(maps, random_windows(WINDOWS * len(maps), generator), size)  # 8B×4×size×size
    order = patches[:, 3].flatten(1).var(dim=1).argsort(stable=True)  # 8B
    quarter = len(order) // 4
    upper = order[len(order) // 2 :]  # 4B
    chosen = upper[torch.randperm(len(upper), generator=generator).to(upper.device)[-quarter:]]
    return patches[order[:quarter], :3], patches[chosen, :3]

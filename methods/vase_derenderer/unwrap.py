"""From the picture to the texture of the half turn that faces the camera (§3.4)."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from .configuration import Configuration


def unwrap(images: Tensor, centres: Tensor, configuration: Configuration) -> Tensor:
    """Texture of the front half turn, B×C×S×1.5S; zeros where the surface leaves the picture.

    What hides what is ignored.

    Args:
        images: B×C×H×W, square pixels' centres at +0.5.
        centres: of the posed quads, B×(rows−1)×columns×3, object frame, scene units.
    """
    halves = centres[:, :, : configuration.columns // 2].permute(0, 3, 1, 2)  # B×3×(rows−1)×T/2
    points = functional.interpolate(
        halves, configuration.half_texture, mode="bilinear", align_corners=False
    )  # B×3×S×1.5S
    # From −1 to 1 across the picture: its half side is distance·tan(fov/2) at the object's origin.
    scale = configuration.distance / configuration.extent
    grid = scale * points[:, :2] / (points[:, 2:] + configuration.distance)  # B×2×S×1.5S
    return functional.grid_sample(
        images, grid.permute(0, 2, 3, 1), mode="bilinear", align_corners=False
    )  # B×C×S×1.5S


def front_crop(half_texture: Tensor, configuration: Configuration) -> Tensor:
    """The ±60° around the line that faces the camera, B×C×S×S, of B×C×S×1.5S."""
    margin = configuration.margin
    return half_texture[..., margin:-margin]


def normal_crop(normals: Tensor, configuration: Configuration) -> Tensor:
    """Normals of the front crop, B×3×S×S, resampled from quads B×(rows−1)×columns×3 to unit length.

    They keep pointing inward, as the light network was trained.
    """
    quads = normals[:, :, configuration.front].permute(0, 3, 1, 2)  # B×3×(rows−1)×T/3
    size = (configuration.size, configuration.size)
    resized = functional.interpolate(quads, size, mode="bilinear", align_corners=False)
    length = torch.linalg.vector_norm(resized, dim=1, keepdim=True)  # B×1×S×S
    unit: Tensor = resized / length.clamp(min=1e-7)
    return unit

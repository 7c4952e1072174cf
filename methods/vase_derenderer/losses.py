"""What training minimises (specs/vase_derenderer.md §5.1)."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from bench.graphics import phong, revolution
from bench.graphics.rasterisers import Rasteriser
from bench.graphics.rasterisers.fragments import (
    coverage,
    downsample,
    interpolate_corners,
    sample_texture,
)

from .configuration import Configuration
from .derender import Explanation, Shape
from .lighting import Shaded

WEIGHTS: Mapping[str, float] = {
    "mask": 10.0,
    "mask_distance": 100.0,
    "image": 1.0,
    "mean_albedo_image": 1.0,
    "diffuse": 1.0,
    "pitch": 10.0,
    "adversarial": 0.01,
}

_DIFFUSE, _TOLERANCE = 0.5, 0.1


def with_mean_albedo(albedo: Tensor) -> Tensor:
    """Linear albedo B×3×S×S replaced by its mean per channel."""
    return albedo.mean((2, 3), keepdim=True).expand_as(albedo)


def silhouettes(shape: Shape, rasteriser: Rasteriser, configuration: Configuration) -> Tensor:
    """Both sides of the whole surface as a mask B×1×S×S."""
    vertices = seen_from_camera(shape, configuration)
    faces = revolution.faces(configuration.rows, configuration.columns, device=vertices.device)
    size, intrinsics = _view(shape, configuration)
    fragments = rasteriser.rasterise(vertices, faces, intrinsics, size, far=100.0)
    mask = rasteriser.antialias(coverage(fragments), fragments, vertices, faces, intrinsics)
    return downsample(mask).permute(0, 3, 1, 2)  # B×1×S×S


def front_renders(
    explanation: Explanation,
    textures: Tensor,
    rasteriser: Rasteriser,
    configuration: Configuration,
) -> tuple[Tensor, Tensor]:
    """Front crops B×C×S×S in the image over white, B×C×S×S, and their coverage B×1×S×S."""
    rows, columns, front = configuration.rows, configuration.columns, configuration.front
    faces = revolution.faces(rows, columns, front, textures.device)  # F×3
    corners = revolution.corner_coordinates(rows, columns, front, textures.device)  # F×3×2
    vertices = seen_from_camera(explanation, configuration)
    size, intrinsics = _view(explanation, configuration)
    fragments = rasteriser.rasterise(vertices, faces, intrinsics, size)
    covered = coverage(fragments)  # B×2S×2S×1
    coordinates = interpolate_corners(fragments, corners)  # B×2S×2S×2
    colours = sample_texture(coordinates, textures)  # B×2S×2S×C
    image = colours * covered + (1 - covered)
    image = rasteriser.antialias(image, fragments, vertices, faces, intrinsics)
    return downsample(image).permute(0, 3, 1, 2), downsample(covered).permute(0, 3, 1, 2)


def seen_from_camera(shape: Shape, configuration: Configuration) -> Tensor:
    """The posed vertices B×HT×3 in OpenCV camera coordinates."""
    offset = shape.vertices.new_tensor([0.0, 0.0, configuration.distance])
    return shape.vertices.flatten(1, 2) + offset  # B×HT×3


def outline(silhouette: Tensor, masks: Tensor, distances: Tensor) -> dict[str, Tensor]:
    """The two losses of silhouettes B×1×S×S against masks and their distances, unweighted."""
    return {
        "mask": (silhouette - masks).square().mean(),
        "mask_distance": (silhouette * distances).mean(),
    }


def told_pitch(shape: Shape, pitch: Tensor) -> dict[str, Tensor]:
    """Mean ((found − told) ÷ 20°)² over the pitches B, degrees, that are not NaN; empty where none
    is. Not of the paper: an outline alone does not tell a tilted vase from a rounded one."""
    known = ~pitch.isnan()  # B
    if not known.any():
        return {}
    return {"pitch": ((shape.pitch.rad2deg() - pitch)[known] / 20).square().mean()}


def reconstruction(
    explanation: Explanation,
    shaded: Shaded,
    images: Tensor,
    masks: Tensor,
    distances: Tensor,
    rasteriser: Rasteriser,
    configuration: Configuration,
) -> tuple[dict[str, Tensor], Tensor, Tensor]:
    """Every loss but the adversarial one, unweighted; the silhouettes and the front renders.

    Args:
        images: B×3×S×S tone-mapped, in [0, 1].
        masks: B×1×S×S in [0, 1].
        distances: B×1×S×S, from each background pixel to the mask, in 1/S of the image's side.
    """
    silhouette = silhouettes(explanation, rasteriser, configuration)  # B×1×S×S
    plain = composed_front(with_mean_albedo(explanation.albedo), shaded)
    textures = torch.cat([composed_front(explanation.albedo, shaded), plain], dim=1)  # B×6×S×S
    renders, covered = front_renders(explanation, textures, rasteriser, configuration)
    where = (covered * masks).detach()  # B×1×S×S
    beyond = (shaded.mean_diffuse - _DIFFUSE).abs() - _TOLERANCE  # B
    losses = {
        **outline(silhouette, masks, distances),
        "image": masked_difference(renders[:, :3], images, where),
        "mean_albedo_image": masked_difference(renders[:, 3:], images, where),
        "diffuse": beyond.clamp(min=0).square().mean(),
    }
    return losses, silhouette, renders


def composed_front(albedo: Tensor, shaded: Shaded) -> Tensor:
    """The front crop's colour B×3×S×S, tone-mapped and clamped (§3.6)."""
    return phong.encode(albedo * shaded.diffuse + shaded.specular).clamp(max=1)


def masked_difference(render: Tensor, image: Tensor, where: Tensor) -> Tensor:
    """Σ w |render − image| / Σ w over the batch, its channels and pixels; w is B×1×S×S."""
    total = (where * (render - image).abs()).sum()
    return total / (where.sum() * render.shape[1]).clamp(min=1e-6)


def adversarial(scores: Tensor) -> Tensor:
    """How far patches are from being taken for real, least squares."""
    return (scores - 1).square().mean()


def discrimination(real: Tensor, fake: Tensor) -> Tensor:
    """The discriminator's own loss, ½ [mean (D(real) − 1)² + mean D(fake)²]."""
    return ((real - 1).square().mean() + fake.square().mean()) / 2


def total(losses: Mapping[str, Tensor]) -> Tensor:
    """The weighted sum."""
    return torch.stack([WEIGHTS[name] * value for name, value in losses.items()]).sum()


def _view(shape: Shape, configuration: Configuration) -> tuple[tuple[int, int], Tensor]:
    intrinsics = torch.as_tensor(configuration.intrinsics).to(shape.vertices)
    return (configuration.size, configuration.size), intrinsics

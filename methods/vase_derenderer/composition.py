"""Light and albedo into colour, and the front crop's albedo around the whole turn (§3.6, §5.5)."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from bench.graphics.phong import decode, encode

_LEAST_LIGHT = 1e-2


def composed(albedo: Tensor, diffuse: Tensor, specular: Tensor, specular_albedo: Tensor) -> Tensor:
    """`linear_colour` tone-mapped and clamped to [0, 1], B×3×h×w."""
    return encode(linear_colour(albedo, diffuse, specular, specular_albedo)).clamp(max=1)


def linear_colour(
    albedo: Tensor, diffuse: Tensor, specular: Tensor, specular_albedo: Tensor
) -> Tensor:
    """D·albedo + ks·S at the texels, linear and unbounded, B×3×h×w.

    Args:
        albedo: linear, B×3×h×w.
        diffuse: D at the quads, B×a×b, or B×3×a×b under coloured light; resampled without wrapping.
        specular: S at the quads, of the same shape.
        specular_albedo: ks, B.
    """
    size = (albedo.shape[-2], albedo.shape[-1])
    scale = specular_albedo[:, None, None, None]  # B×1×1×1
    return albedo * resized(diffuse, size) + scale * resized(specular, size)


def resized(quads: Tensor, size: tuple[int, int]) -> Tensor:
    """Values at quads B×a×b (or B×C×a×b) as a texture B×1×h×w (B×C×h×w), bilinear, not wrapping."""
    maps = quads[:, None] if quads.ndim == 3 else quads  # B×C×a×b
    return functional.interpolate(maps, size, mode="bilinear", align_corners=False)


def photo_albedo(texture: Tensor, diffuse: Tensor) -> Tensor:
    """Linear albedo B×3×S×S in [0, 1] that the photo's texture shows under diffuse light alone.

    Not of the paper: it keeps what the photo shows in full, highlights with it.

    Args:
        texture: tone-mapped, B×3×S×S.
        diffuse: D at the texels, B×1×S×S.
    """
    return (decode(texture) / diffuse.clamp(min=_LEAST_LIGHT)).clamp(max=1)


def whole_texture(crop: Tensor) -> Tensor:
    """The full turn B×C×S×3S of a front crop B×C×S×S: its border held, then the mirror (§1.1)."""
    margin = crop.shape[-1] // 4
    half = functional.pad(crop, (margin, margin, 0, 0), mode="replicate")  # B×C×S×1.5S
    return torch.cat([half, half.flip(-1)], -1)  # B×C×S×3S


def back_filled(crop: Tensor) -> Tensor:
    """The full turn B×C×S×3S of a front crop B×C×S×S, mirrored on, as it is shown (§5.5).

    The outermost S/32 columns, where the surface is seen at a slant, are overwritten by the mirror
    of their neighbours. A seam remains at the back.
    """
    size = crop.shape[-1]
    edge, margin = size // 32, size // 4
    left, right = crop[..., edge : 2 * edge], crop[..., -2 * edge : -edge]  # B×C×S×S/32
    clean = torch.cat([left.flip(-1), crop[..., edge:-edge], right.flip(-1)], -1)  # B×C×S×S
    mirror = clean.flip(-1)  # B×C×S×S
    parts = [mirror[..., -margin:], clean, mirror, clean[..., : size - margin]]
    return torch.cat(parts, -1)  # B×C×S×3S

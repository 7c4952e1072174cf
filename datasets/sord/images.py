"""A recipe and an albedo texture → every map of a rendered vase (spec §3.5, §3.6, §4.1, §6)."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from bench.datasets.sord import geometry
from bench.datasets.sord.geometry import DISTANCE, EXTENT, Surface
from bench.datasets.sord.recipes import Recipe
from bench.graphics import phong
from bench.graphics.rasterisers.fragments import (
    Fragments,
    coverage,
    downsample,
    sample_texture,
)

Float32 = NDArray[np.float32]

ENVIRONMENT = (32, 96)
NOTHING = 100.0
"""Depth of the background in the average of four samples: a pixel that is not wholly covered ends
beyond the range that is stored."""

DIM_INSIDE = 0.5
"""Brightness of the inner wall in image and albedo, of encoded values."""


def environment(recipe: Recipe) -> Tensor:
    """The light 1×32×96 (elevation × azimuth, §3.5), not clamped."""
    lobes = torch.from_numpy(recipe.lobes).float()[None]  # 1×3×5
    sun: Tensor = phong.gaussian_lobes(lobes[..., :3], lobes[..., 3], lobes[..., 4], *ENVIRONMENT)
    sun += recipe.ambient
    return sun


def shaded(recipe: Recipe, shape: Surface) -> tuple[Tensor, Tensor]:
    """Diffuse D and specular ks·S at the quads, each 1×31×96, linear, not clamped."""
    light, outward = environment(recipe), -shape.normals
    gloss = phong.specular(shape.centres, outward, light, torch.tensor([recipe.shininess]))
    return phong.diffuse(outward, light), recipe.specular_albedo * gloss


def rendered(recipe: Recipe, albedo: Tensor) -> Mapping[str, Float32]:
    """All pictures of a vase, item name → H×W×3 or H×W×1 in [0, 1] as they are stored.

    Args:
        albedo: 3×256×768, linear, of the whole turn.
    """
    shape = geometry.surface(recipe.curve, recipe.pitch)
    diffuse, specular = shaded(recipe, shape)  # 1×31×96 each
    albedo = albedo[None]  # 1×3×256×768
    texture = composed(albedo, diffuse, specular)  # 1×3×256×768
    encoded = phong.encode(albedo).clamp(0, 1)
    fine = torch.cat([texture, encoded], 1)  # 1×6×256×768
    normals = shape.normals.movedim(-1, 1)  # 1×3×31×96
    coarse = torch.cat([normals, diffuse[:, None], specular[:, None]], 1)  # 1×5×31×96
    maps = {
        "texture_map": texture,
        "albedo_map": encoded,
        "normal_map": normals / 2 + 0.5,
        "diffuse_map": diffuse[:, None],
        "specular_map": specular[:, None],
        "env_map": environment(recipe)[:, None],
    }
    return {
        **{name: values[0].movedim(0, -1).numpy() for name, values in maps.items()},
        **_drawn(shape, fine, coarse),
    }


def composed(albedo: Tensor, diffuse: Tensor, specular: Tensor) -> Tensor:
    """Encoded colour of the surface B×3×h×w in [0, 1] of a linear albedo B×3×h×w.

    Diffuse and specular B×31×96 are resized bilinearly, without wrapping at the seam (§3.6).
    """
    light = functional.interpolate(
        torch.stack([diffuse, specular], 1),  # B×2×31×96
        albedo.shape[-2:],
        mode="bilinear",
        align_corners=False,
    )  # B×2×h×w
    return phong.encode(light[:, :1] * albedo + light[:, 1:]).clamp(0, 1)  # B×3×h×w


def diffuse_picture(recipe: Recipe, shape: Surface, fragments: Fragments) -> Float32:
    """D as it is seen, 256×256×1, linear, not clamped; the mean over the samples that show the
    vase, 0 where none does."""
    diffuse, _ = shaded(recipe, shape)  # 1×31×96
    seen = coverage(fragments)  # 1×512×512×1
    values = sample_texture(geometry.coordinates(fragments), diffuse[:, None])  # 1×512×512×1
    share = downsample(seen)
    picture: Float32 = (downsample(values * seen) / share.clamp(min=0.25))[0].numpy()
    return picture


def _drawn(shape: Surface, fine: Tensor, coarse: Tensor) -> dict[str, Float32]:
    """The pictures 256×256×C of what is seen, on white."""
    fragments = geometry.drawn(shape)
    seen = fragments.face >= 0  # 1×512×512
    where = geometry.coordinates(fragments)[seen][None, None]  # 1×1×N×2
    colours = sample_texture(where, fine)[0, 0]  # N×6
    inside = ~geometry.seen_from_outside(shape, fragments)[seen]  # N
    colours = torch.where(inside[:, None], DIM_INSIDE * colours, colours)
    values = sample_texture(where, coarse)[0, 0]  # N×5
    normals = functional.normalize(values[:, :3], dim=1) / 2 + 0.5  # N×3
    # Light beyond what is stored saturates before the average, as a colour in a frame buffer does.
    all_values = torch.cat([colours, normals, values[:, 3:].clamp(0, 1)], 1)  # N×11
    canvas = torch.ones(*seen.shape, all_values.shape[1])  # 1×512×512×11
    canvas[seen] = all_values
    picture = downsample(canvas)[0].numpy()  # 256×256×11
    names = {"im": 3, "albedo": 3, "normal": 3, "diffuse": 1, "specular": 1}
    parts = np.split(picture, np.cumsum(list(names.values()))[:-1], axis=-1)
    return {
        **{f"{name}_rendered": part for name, part in zip(names, parts, strict=True)},
        "mask_rendered": downsample(coverage(fragments))[0].numpy(),
        "depth_rendered": _depth(fragments),
    }


def _depth(fragments: Fragments) -> Float32:
    """Depth 256×256×1 over the visible range, 0 nearest, 1 farthest and the background."""
    seen = fragments.face >= 0
    depth = torch.where(seen, fragments.depth, NOTHING)[..., None]  # 1×512×512×1
    share = (downsample(depth) - (DISTANCE - EXTENT)) / (2 * EXTENT)
    picture: Float32 = share.clamp(0, 1)[0].numpy()
    return picture

"""The surface's quads under the light that was found, or under any that is asked for (§3.6)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from bench.graphics import environments, phong
from bench.graphics.normals import opencv_from_camera
from bench.quantities import Environment

from .composition import resized
from .configuration import Configuration
from .derender import Explanation

# More cells than this cost time and change little under the glossiest lobe, 5° wide.
_MOST_ROWS = 64


@dataclass(frozen=True, eq=False)
class Lights:
    """K distant lights: unit `directions` K×3 in OpenCV camera axes, `power` K×C.

    A surface that faces a light squarely reflects albedo × its power.
    """

    directions: Tensor
    power: Tensor


def found_lights(explanation: Explanation) -> Lights:
    """The white light of one explanation (B = 1)."""
    rows, columns = explanation.environment.shape[-2:]
    directions = phong.light_directions(rows, columns, device=explanation.environment.device)
    return Lights(directions, phong.intensities(explanation.environment)[0, :, None])


def asked_lights(environment: Environment, like: Tensor) -> Lights:
    """The pixels of an environment in the camera's frame: power = radiance × solid angle ÷ π."""
    radiance = environment.radiance
    if radiance.shape[0] > _MOST_ROWS:
        radiance = environments.resample(radiance, _MOST_ROWS, 2 * _MOST_ROWS)
    height, width, channels = radiance.shape
    power = radiance * environments.solid_angles(height, width)[..., None] / math.pi  # h×w×C
    directions = opencv_from_camera(environments.directions(height, width))  # h×w×3
    return Lights(
        torch.as_tensor(directions.reshape(-1, 3)).to(like),
        torch.as_tensor(power.reshape(-1, channels)).to(like),
    )


def together(lights: Sequence[Lights]) -> Lights:
    """n sets of lights in the same K directions as one, of power K×nC: one sum shades all."""
    return Lights(lights[0].directions, torch.cat([each.power for each in lights], dim=1))


def shaded(
    explanation: Explanation, lights: Lights, camera: Sequence[float] | Tensor
) -> tuple[Tensor, Tensor]:
    """D and S of one explanation's quads (B = 1), outer wall, each 1×C×(H−1)×T; S is without ks.

    `camera` is its position in the object frame; the lights stay where they are.
    """
    quads = all_quads(explanation)
    diffuse, _ = diffuse_sides(explanation, lights, quads)  # C×(H−1)×T
    return diffuse[None], specular(explanation, lights, camera, quads)[None]


def all_quads(explanation: Explanation) -> Tensor:
    """(H−1)×T, true."""
    return torch.ones_like(explanation.centres[0, :, :, 0], dtype=torch.bool)


def diffuse_sides(explanation: Explanation, lights: Lights, quads: Tensor) -> tuple[Tensor, Tensor]:
    """D of one explanation's quads (B = 1) on the outer and on the inner wall, C×(H−1)×T each.

    The inner wall turns its own side to the light, and nothing shades it: on rendered vases, where
    it is seen through the mouth, that is nearer the truth than the outer wall's light at half the
    tone-mapped brightness, as the source's renders have it.

    `quads`, (H−1)×T bool, are those to be shaded; the others are 0.
    """
    normals = -explanation.normals[0, quads]  # Q×3, outward
    outer = phong.diffuse_by_lights(normals[None], lights.directions, lights.power[None])[0]  # Q×C
    # max(−c, 0) = max(c, 0) − c: the other side needs no second sum over lights at every quad.
    inner = outer - normals @ (lights.directions.T @ lights.power)  # Q×C
    return _on_quads(outer, quads), _on_quads(inner.clamp(min=0), quads)


def specular(
    explanation: Explanation, lights: Lights, camera: Sequence[float] | Tensor, quads: Tensor
) -> Tensor:
    """S of one explanation's quads (B = 1), outer wall, C×(H−1)×T, seen from `camera`.

    `quads`, (H−1)×T bool, are those to be shaded; the others are 0.
    """
    normals = -explanation.normals[:, quads]  # 1×Q×3, outward
    reflected = phong.reflections(explanation.centres[:, quads], normals, camera)  # 1×Q×3
    values = phong.specular_by_lights(
        normals, reflected, lights.directions, lights.power[None], explanation.shininess
    )  # 1×Q×C
    return _on_quads(values[0], quads)


def _on_quads(values: Tensor, quads: Tensor) -> Tensor:
    maps = values.new_zeros(values.shape[1], *quads.shape)  # C×(H−1)×T
    maps[:, quads] = values.T
    return maps


@dataclass(frozen=True, eq=False)
class Shaded:
    """The front crop of B explanations under their own light.

    Attributes:
        diffuse: B×1×S×S, resampled from the quads.
        specular: B×1×S×S, times the specular albedo.
        mean_diffuse: B, the mean over the crop's quads.
    """

    diffuse: Tensor
    specular: Tensor
    mean_diffuse: Tensor


def shaded_front(explanation: Explanation, configuration: Configuration) -> Shaded:
    """Shade the front crop's quads and one column to each side, which the resampling reads."""
    first, last = configuration.front.start, configuration.front.stop
    columns = slice(first - 1, last + 1)
    centres = explanation.centres[:, :, columns]  # B×h×w×3
    normals = -explanation.normals[:, :, columns]  # B×h×w×3
    light = explanation.environment
    diffuse = phong.diffuse(normals, light)  # B×h×w
    specular = phong.specular(centres, normals, light, explanation.shininess)  # B×h×w
    size = configuration.size
    pixels = size // (last - first)  # of one quad column
    wide = (size, size + 2 * pixels)
    scale = explanation.specular_albedo[:, None, None, None]  # B×1×1×1
    return Shaded(
        resized(diffuse, wide)[..., pixels:-pixels],  # B×1×S×S
        scale * resized(specular, wide)[..., pixels:-pixels],  # B×1×S×S
        diffuse[:, :, 1:-1].mean((1, 2)),
    )

"""From pictures to shape, albedo and light: the forward pass (§1, §1.1), without stop of gradient.

All tensors are float32, batch first. The object frame has OpenCV's axes (x right, y down, z
forward) and its origin on the camera's axis, `distance` before it.
"""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass

import torch
from torch import Tensor

from bench.graphics import revolution

from .configuration import Configuration
from .networks import Networks
from .unwrap import front_crop, normal_crop, unwrap


@dataclass(frozen=True, eq=False)
class Shape:
    """B surfaces of revolution, H profile samples and T columns each; lengths in scene units.

    Attributes:
        radius: of the profile, B×H, row 0 at the top.
        half_height: B.
        pitch: B, radians; positive tips the top towards the camera.
        roll: B, radians, about the camera's axis.
        shift: along x and y, B×2.
        canonical: vertices before the pose, B×H×T×3, object frame.
        vertices: posed, B×H×T×3, object frame.
        centres: of the posed quads, B×(H−1)×T×3, object frame.
        normals: of the posed quads, *inward*, B×(H−1)×T×3, object frame.
    """

    radius: Tensor
    half_height: Tensor
    pitch: Tensor
    roll: Tensor
    shift: Tensor
    canonical: Tensor
    vertices: Tensor
    centres: Tensor
    normals: Tensor


@dataclass(frozen=True, eq=False)
class Explanation(Shape):
    """A shape with its material and light.

    Attributes:
        texture: tone-mapped colour that the picture shows on the front crop, B×3×S×S.
        albedo: linear, of the front crop, B×3×S×S in [0, 1].
        environment: light as `bench.graphics.phong` defines it, B×h×w in [0, 1].
        shininess: Phong exponent α, B.
        specular_albedo: ks, B.
    """

    texture: Tensor
    albedo: Tensor
    environment: Tensor
    shininess: Tensor
    specular_albedo: Tensor


def derender(networks: Networks, images: Tensor, configuration: Configuration) -> Explanation:
    """Explain tone-mapped images B×3×S×S in [0, 1]."""
    column, scalars = networks.netR(2 * images - 1)  # B×H, B×5
    return explain(networks, images, shape_of(column, scalars, configuration), configuration)


def explain(
    networks: Networks, images: Tensor, shape: Shape, configuration: Configuration
) -> Explanation:
    """Material and light of tone-mapped images B×3×S×S in [0, 1] that show `shape`."""
    texture = front_crop(unwrap(images, shape.centres, configuration), configuration)  # B×3×S×S
    signed = 2 * texture - 1  # B×3×S×S
    albedo = (networks.netT(signed) + 1) / 2  # B×3×S×S
    normals = normal_crop(shape.normals, configuration)  # B×3×S×S
    environment, gloss = networks.netE(torch.cat([signed, normals], dim=1))  # B×h×w, B×2
    return Explanation(
        **{field.name: getattr(shape, field.name) for field in dataclasses.fields(Shape)},
        texture=texture,
        albedo=albedo,
        environment=environment,
        shininess=_within(gloss[:, 0], configuration.shininess_root).square(),
        specular_albedo=_within(gloss[:, 1], configuration.specular),
    )


def shape_of(column: Tensor, scalars: Tensor, configuration: Configuration) -> Shape:
    """The surfaces that the shape network's outputs, column B×H and scalars B×5 in 0…1, mean."""
    extent = configuration.extent
    half_height, pitch, roll, *shift = scalars.unbind(-1)  # B each
    return posed(
        radius=_within(column, configuration.radius) * extent,
        half_height=_within(half_height, configuration.half_height) * extent,
        pitch=_within(pitch, configuration.pitch) * (math.pi / 180),
        roll=_within(roll, configuration.roll) * (math.pi / 180),
        shift=(2 * torch.stack(shift, -1) - 1) * (configuration.shift * extent),
        columns=configuration.columns,
    )


def posed(
    radius: Tensor,
    half_height: Tensor,
    pitch: Tensor,
    roll: Tensor,
    shift: Tensor,
    columns: int = 96,
) -> Shape:
    """The surfaces of profiles B×H and half heights B, turned by pitch and roll B, moved by B×2."""
    steps = torch.linspace(-1, 1, radius.shape[-1]).to(radius)  # H
    canonical = revolution.vertices(radius, half_height[:, None] * steps, columns)  # B×H×T×3
    turn = revolution.rotation(pitch, torch.zeros_like(pitch), roll)  # B×3×3
    offset = torch.cat([shift, torch.zeros_like(shift[:, :1])], dim=-1)  # B×3
    vertices = canonical @ turn.mT[:, None] + offset[:, None, None]  # B×H×T×3
    centres, normals = revolution.quads(vertices)
    return Shape(radius, half_height, pitch, roll, shift, canonical, vertices, centres, normals)


def _within(unit: Tensor, bounds: tuple[float, float]) -> Tensor:
    low, high = bounds
    return low + (high - low) * unit

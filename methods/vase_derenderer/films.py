"""Films of an explained vase: it turns, or a light moves about it (§8).

Both have 80 frames at 25 per second, over white, with the inner wall at half brightness.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from bench.graphics import phong, revolution
from bench.graphics.rasterisers import Rasteriser

from .composition import back_filled, composed
from .configuration import Configuration
from .derender import Explanation
from .lighting import Lights, found_lights, shaded
from .render import INNER, Seen, look

FRAMES = 80
RATE = 25

_SHARPNESS = 20.0
_AMPLITUDE = 0.15 * math.sqrt(_SHARPNESS)
_AMBIENT = 0.015
_CELLS = (16, 48)

Frame = NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class Studio:
    """What both films share; `size` is of a frame's side in pixels."""

    rasteriser: Rasteriser
    configuration: Configuration
    size: int

    @property
    def camera(self) -> tuple[float, float, float]:
        """Its position in the object frame."""
        return 0.0, 0.0, -self.configuration.distance

    def look(self, vertices: Tensor) -> list[Seen]:
        """What the model's camera sees of vertices B×H×T×3 in the object frame."""
        offset = vertices.new_tensor([0, 0, self.configuration.distance])
        intrinsics = self.configuration.intrinsics.clone()
        intrinsics[:2] *= self.size / self.configuration.size
        size = (self.size, self.size)
        return look(vertices + offset, intrinsics, size, self.rasteriser, self.configuration)


def turning_angles() -> tuple[Tensor, Tensor]:
    """Yaw and pitch in radians, 80 each: one full turn, while the mouth tips up 60° and back."""
    rise = torch.linspace(0, math.pi / 3, FRAMES // 2)
    return torch.linspace(0, 2 * math.pi, FRAMES), torch.cat([rise, rise.flip(0)])


def moving_lights() -> Tensor:
    """Directions to the light, 80×3 unit, OpenCV axes: twice around, up to the zenith and back.

    It begins behind the camera and sets out to the right.
    """
    azimuth = torch.linspace(0, 4 * math.pi, FRAMES)
    rise = torch.linspace(0, math.pi / 2, FRAMES // 2)
    elevation = torch.cat([rise, rise.flip(0)])
    across = elevation.cos()
    return torch.stack(
        [across * azimuth.sin(), -elevation.sin(), -across * azimuth.cos()], -1
    )  # 80×3


def light_environments(directions: Tensor) -> Tensor:
    """The film's lamp and its faint surroundings, N×16×48, for directions N×3 to it."""
    one = torch.ones_like(directions[:, :1])  # N×1
    lobes = phong.gaussian_lobes(
        directions[:, None], _SHARPNESS * one, _AMPLITUDE * one, *_CELLS
    )  # N×16×48
    return lobes + _AMBIENT


def turning(found: Explanation, studio: Studio) -> Iterator[Frame]:
    """Frames S×S×3 of one explanation (B = 1) that turns under the light that was found.

    The photo's pose is not used; light and camera stand still.
    """
    lights = found_lights(found)
    for yaw, pitch in zip(*turning_angles(), strict=True):
        turned = turned_by(found, yaw.to(found.albedo), pitch.to(found.albedo))
        (seen,) = studio.look(turned.vertices)
        diffuse, specular = shaded(turned, lights, studio.camera)  # 1×1×(H−1)×T each
        yield _frame(turned, diffuse, specular, seen)


def moving_light(found: Explanation, studio: Studio) -> Iterator[Frame]:
    """Frames S×S×3 of one explanation (B = 1), posed as in the photo, lit by a moving lamp."""
    (seen,) = studio.look(found.vertices)
    environments = light_environments(moving_lights().to(found.albedo))  # 80×16×48
    directions = phong.light_directions(*_CELLS).to(found.albedo)  # K×3
    lights = Lights(directions, phong.intensities(environments).T)  # K×80
    diffuse, specular = shaded(found, lights, studio.camera)  # 1×80×(H−1)×T each
    for frame in range(FRAMES):
        part = slice(frame, frame + 1)
        yield _frame(found, diffuse[:, part], specular[:, part], seen)


def turned_by(found: Explanation, yaw: Tensor, pitch: Tensor) -> Explanation:
    """One explanation (B = 1) upright, turned about its axis by yaw, then tipped by pitch."""
    zero = torch.zeros_like(yaw)[None]  # 1
    tipped = revolution.rotation(pitch[None], zero, zero)  # 1×3×3
    turn = tipped @ revolution.rotation(zero, yaw[None], zero)  # 1×3×3
    vertices = found.canonical @ turn.mT[:, None]  # 1×H×T×3
    centres, normals = revolution.quads(vertices)
    return dataclasses.replace(found, vertices=vertices, centres=centres, normals=normals)


def _frame(found: Explanation, diffuse: Tensor, specular: Tensor, seen: Seen) -> Frame:
    """S×S×3 of one explanation under the shading D and S, 1×1×(H−1)×T each."""
    albedo = back_filled(found.albedo)  # 1×3×S×3S
    texture = composed(albedo, diffuse, specular, found.specular_albedo)  # 1×3×S×3S
    colours = seen.sampled(texture[0]) * seen.dimming(INNER)  # N×3
    picture = seen.composited(colours, background=1.0)  # S×S×3
    frame: Frame = (255 * picture).round().to(torch.uint8).cpu().numpy()
    return frame

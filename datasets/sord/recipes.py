"""What decides a rendered vase, but for its texture: the distributions of the generator (spec §6).

Every uniform number is drawn afresh. Sources are sections of specs/vase_derenderer.md.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bench.datasets.sord.geometry import EXTENT, ROWS

Float64 = NDArray[np.float64]

LOBES = 3
TALLEST = WIDEST = 0.75
"""Half height and largest radius of every vase, in units of the extent."""


@dataclass(frozen=True, eq=False)
class Recipe:
    """One vase and its light.

    Attributes:
        curve: radius and height 32×2 in scene units, row 0 the top (negative height).
        pitch: degrees, 0 to 20; positive tips the top toward the camera.
        lobes: 3×5, rows (direction to the light in OpenCV axes, sharpness λ, amplitude F).
        ambient: added to the mean of the lobes everywhere.
        specular_albedo: ks, 0.1 to 1.
        shininess: α of the reflected-vector Phong lobe, 1 to 196.
    """

    curve: Float64
    pitch: float
    lobes: Float64
    ambient: float
    specular_albedo: float
    shininess: float


def recipe(rng: np.random.Generator) -> Recipe:
    """Draw one vase and its light."""
    return Recipe(
        curve=profile(rng),
        pitch=20 * rng.random(),
        lobes=_lobes(rng),
        ambient=0.03 * rng.random(),
        specular_albedo=0.1 + 0.9 * rng.random(),
        shininess=(13 * rng.random() + 1) ** 2,
    )


def profile(rng: np.random.Generator) -> Float64:
    """A curve 32×2 of two sinusoids over a constant, scaled to the largest radius."""
    u = rng.random(7)
    t = np.linspace(0, 1, ROWS)
    first = np.pi * u[0] - np.pi, 1.5 * np.pi * u[1] + 0.5 * np.pi  # phase at top and foot
    start = 2 * np.pi * u[2]
    second = start, start + 1.5 * np.pi * u[3] + 0.5 * np.pi
    waves = [
        amplitude * (np.sin((1 - t) * begin + t * end) + 1)
        for amplitude, (begin, end) in ((0.3 * u[4], first), (0.1 * u[5], second))
    ]
    radius = waves[0] + waves[1] + 0.1 + 0.2 * u[6]
    radius *= WIDEST / radius.max()
    curve: Float64 = np.stack([radius, np.linspace(-TALLEST, TALLEST, ROWS)], axis=1)  # 32×2
    curve *= EXTENT
    return curve


def _lobes(rng: np.random.Generator) -> Float64:
    """Spherical Gaussians 3×5 from above and from the camera's side."""
    direction = rng.uniform(-1, 1, (LOBES, 3))
    direction[:, 1:] = -np.abs(direction[:, 1:])
    direction /= np.linalg.norm(direction, axis=1, keepdims=True)
    sharpness = 10 + 30 * rng.random((LOBES, 1))
    amplitude = (0.1 + 0.3 * rng.random((LOBES, 1))) * np.sqrt(sharpness)
    return np.concatenate([direction, sharpness, amplitude], axis=1)  # 3×5

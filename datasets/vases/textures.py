"""Texture families: albedo and glaze as functions of the point on the surface.

A texture is solid (it needs no seams and serves any mesh): it maps points in object space to an
albedo and to the share of glaze, which decides roughness and specular reflectance. `MINI` serves
the committed split alone, `OTHERS` everything rendered since; a test holds that they share nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import map_coordinates
from scipy.spatial import KDTree

Floats: TypeAlias = NDArray[np.float64]
Texture: TypeAlias = Callable[["Points", np.random.Generator], "Coat"]

ALBEDO_RANGE = (0.02, 0.78)
"""Kept below 1 by the share of samples that the renderer gives to the specular lobe."""


@dataclass(frozen=True, eq=False)
class Points:
    """Surface points: position N×3 in object space, angle N about y, height N in [0, 1]."""

    position: Floats
    angle: Floats
    height: Floats

    @classmethod
    def of(cls, position: Floats) -> Points:
        """The points with angle 0 at +z growing toward +x, and height from bottom to top."""
        y = position[:, 1]
        height = (y - y.min()) / max(y.max() - y.min(), 1e-12)
        return cls(position, np.arctan2(position[:, 0], position[:, 2]), height)


@dataclass(frozen=True, eq=False)
class Coat:
    """What covers the surface: albedo N×3 linear RGB, glaze N in [0, 1]."""

    albedo: Floats
    glaze: Floats


def noise(position: Floats, frequency: float, rng: np.random.Generator, octaves: int = 4) -> Floats:
    """Fractal noise N of zero mean and about unit deviation: a spline through a random lattice."""
    total, weight = np.zeros(position.shape[0]), 0.0
    for octave in range(octaves):
        lattice = rng.standard_normal((32, 32, 32))
        where = np.mod(position * frequency * 2**octave, 32).T  # 3×N
        total += map_coordinates(lattice, where, order=2, mode="grid-wrap") * 0.5**octave
        weight += 0.25**octave
    scaled: Floats = total / (0.45 * np.sqrt(weight))  # a quadratic spline keeps 0.45 of the spread
    return scaled


def cells(
    position: Floats, count: int, rng: np.random.Generator
) -> tuple[Floats, NDArray[np.intp]]:
    """Voronoi cells: distance to the nearest wall (half of F2 − F1) and the cell's number."""
    seeds = rng.choice(position, size=count, replace=False)
    distance, index = KDTree(seeds).query(position, k=2)
    return (distance[:, 1] - distance[:, 0]) / 2, index[:, 0]


def colour(rng: np.random.Generator, value: tuple[float, float]) -> Floats:
    """One linear RGB reflectance 3 of random hue, moderate saturation and the given brightness."""
    hue, saturation = rng.random(), rng.uniform(0.05, 0.6)
    wheel = np.clip(np.abs(np.mod(hue * 6 + np.array([0, 4, 2]), 6) - 3) - 1, 0, 1)
    reflectance: Floats = rng.uniform(*value) * (1 - saturation * (1 - wheel))
    return reflectance


def clay(rng: np.random.Generator) -> Floats:
    """The reflectance 3 of a fired body: from buff over terracotta to brown and grey."""
    bodies = np.array([[0.55, 0.42, 0.28], [0.42, 0.17, 0.08], [0.2, 0.1, 0.06], [0.3, 0.28, 0.25]])
    mixed: Floats = rng.dirichlet(np.full(4, 0.5)) @ bodies
    return mixed


def _step(value: Floats, width: float) -> Floats:
    """0 below, 1 above zero, smooth over `width`: an edge a brush would leave."""
    t = np.clip(value / width + 0.5, 0, 1)
    return t * t * (3 - 2 * t)


def _mix(first: Floats, second: Floats, share: Floats) -> Floats:
    return first + (second - first) * share[:, None]


def _coat(albedo: Floats, glaze: Floats) -> Coat:
    return Coat(np.clip(albedo, *ALBEDO_RANGE), np.clip(glaze, 0, 1))


def _cloudy(points: Points, albedo: Floats, rng: np.random.Generator, depth: float) -> Floats:
    """The albedo N×3 made uneven by a relative `depth`, as fired colours are."""
    return albedo * np.exp(depth * noise(points.position, 4, rng))[:, None]


def bands(points: Points, rng: np.random.Generator) -> Coat:
    """Painted rings of random width around a clay body, thin lines between them."""
    edges = np.sort(rng.uniform(0.05, 0.97, int(rng.integers(6, 12))))
    paints = [colour(rng, (0.08, 0.75)) for _ in range(3)] + [clay(rng)]
    wobble = 0.004 * noise(points.position, 3, rng, octaves=2)
    albedo = np.broadcast_to(paints[-1], (points.height.size, 3)).copy()
    for edge in edges:
        paint = paints[rng.integers(len(paints))]
        albedo = _mix(albedo, paint, _step(points.height + wobble - edge, 0.006))
        line = np.abs(points.height + wobble - edge) - 0.006
        albedo = _mix(albedo, paints[0] * 0.4, 1 - _step(line, 0.004))
    return _coat(_cloudy(points, albedo, rng, 0.05), np.full(points.height.size, 0.5))


def glaze(points: Points, rng: np.random.Generator) -> Coat:
    """A glossy glaze poured over the shoulder that runs down the matt body."""
    body, poured, pooled = clay(rng), colour(rng, (0.3, 0.7)), colour(rng, (0.05, 0.3))
    around = np.stack([np.sin(points.angle), np.zeros_like(points.angle), np.cos(points.angle)], 1)
    drips = 0.09 * noise(around, 3.2, rng, octaves=3)
    depth = points.height - rng.uniform(0.25, 0.5) - drips
    streaks = noise(points.position * [1, 0.15, 1], 7, rng)
    covered = _step(depth, 0.012)
    thick = np.clip(0.5 + 0.3 * streaks - 1.2 * (depth - 0.1), 0, 1)
    albedo = _mix(_cloudy(points, body, rng, 0.12), _mix(poured, pooled, thick), covered)
    return _coat(albedo, covered)


# A standing figure and a horse in a unit cell, as in Geometric vase painting: capsules given by
# two ends and a radius.
_PERSON = ((0.5, 0.84, 0.5, 0.86, 0.08), (0.5, 0.45, 0.5, 0.74, 0.07), (0.5, 0.7, 0.26, 0.5, 0.035),
           (0.5, 0.7, 0.76, 0.86, 0.035), (0.47, 0.44, 0.38, 0.08, 0.045),
           (0.53, 0.44, 0.66, 0.08, 0.045))  # fmt: skip
_HORSE = ((0.24, 0.52, 0.7, 0.52, 0.09), (0.7, 0.56, 0.82, 0.8, 0.055),
          (0.82, 0.8, 0.95, 0.72, 0.04), (0.22, 0.5, 0.2, 0.08, 0.035),
          (0.32, 0.5, 0.36, 0.08, 0.035),
          (0.64, 0.5, 0.62, 0.08, 0.035), (0.73, 0.5, 0.8, 0.08, 0.035),
          (0.18, 0.56, 0.06, 0.34, 0.025))  # fmt: skip


def figures(points: Points, rng: np.random.Generator) -> Coat:
    """A frieze of dark figures on clay between a painted foot and neck, with a row of teeth."""
    ground, slip = clay(rng) * 0.6 + 0.22, clay(rng) * 0.12
    low, high = 0.38, rng.uniform(0.68, 0.74)
    count = int(rng.integers(6, 10))
    column = points.angle / (2 * np.pi) * count
    u, v = np.mod(column, 1), (points.height - low) / (high - low)
    person = _capsules(u, v, _PERSON)
    horse = _capsules(u, v, _HORSE)
    distance = np.where(np.mod(np.floor(column), 2) == 0, person, horse)
    frieze = (points.height > low) & (points.height < high)
    dark = np.where(frieze, 1 - _step(distance, 0.03), 0)
    teeth = 0.06 * np.abs(np.mod(column * 4, 1) - 0.5) * 2
    dark = np.maximum(dark, _step(points.height - high - 0.06 - teeth, 0.006))
    dark = np.maximum(dark, _step(low - 0.1 - points.height, 0.006))
    for line in (low - 0.05, low - 0.02, high + 0.03):
        dark = np.maximum(dark, 1 - _step(np.abs(points.height - line) - 0.006, 0.004))
    return _coat(_cloudy(points, _mix(ground[None], slip, dark), rng, 0.06), dark)


def _capsules(u: Floats, v: Floats, parts: tuple[tuple[float, ...], ...]) -> Floats:
    """Signed distance N to the union of capsules in the unit cell."""
    nearest = np.full(u.shape, np.inf)
    for x0, y0, x1, y1, radius in parts:
        dx, dy = x1 - x0, y1 - y0
        along = np.clip(((u - x0) * dx + (v - y0) * dy) / (dx * dx + dy * dy), 0, 1)
        distance = np.hypot(u - x0 - along * dx, v - y0 - along * dy) - radius
        nearest = np.minimum(nearest, distance)
    return nearest


def mottle(points: Points, rng: np.random.Generator) -> Coat:
    """Two fired colours that fractal noise mixes, and dark flecks."""
    first, second, fleck = (colour(rng, (low, low + 0.3)) for low in (0.45, 0.2, 0.03))
    share = _step(noise(points.position, rng.uniform(1.5, 3), rng, octaves=5), 1.6)
    flecks = _step(noise(points.position, 14, rng, octaves=2) - 1.7, 0.5)
    albedo = _mix(_mix(first[None], second, share), fleck, flecks)
    return _coat(albedo, 0.3 + 0.5 * share)


def crackle(points: Points, rng: np.random.Generator) -> Coat:
    """A pale glaze with a net of stained cracks, coarse and fine."""
    ground, stain = colour(rng, (0.5, 0.75)) * 0.4 + 0.35, clay(rng) * 0.3
    coarse, _ = cells(points.position, 130, rng)
    fine, patch = cells(points.position, 700, rng)
    shade = 1 + 0.06 * rng.standard_normal(700)[patch]
    albedo = ground * shade[:, None]
    albedo = _mix(albedo, 0.5 * (ground + stain), 1 - _step(fine - 0.003, 0.004))
    albedo = _mix(albedo, stain, 1 - _step(coarse - 0.008, 0.006))
    return _coat(_cloudy(points, albedo, rng, 0.06), np.ones(points.height.size))


def spirals(points: Points, rng: np.random.Generator) -> Coat:
    """Stripes that wind up the body."""
    count, twist = int(rng.integers(3, 12)), rng.uniform(-4, 4)
    phase = count * points.angle / (2 * np.pi) + twist * points.height
    stripe = np.abs(np.mod(phase, 1) - 0.5) - rng.uniform(0.1, 0.3)
    albedo = _mix(colour(rng, (0.4, 0.75))[None], colour(rng, (0.05, 0.5)), _step(stripe, 0.05))
    return _coat(_cloudy(points, albedo, rng, 0.06), np.full(points.height.size, rng.random()))


def dots(points: Points, rng: np.random.Generator) -> Coat:
    """Round spots of several colours strewn over the body."""
    seeds = rng.choice(points.position, size=int(rng.integers(40, 160)), replace=False)
    distance, index = KDTree(seeds).query(points.position)
    radius = np.asarray(rng.uniform(0.03, 0.09, seeds.shape[0]))[index]
    paints = np.stack([colour(rng, (0.05, 0.75)) for _ in range(4)])
    painted = paints[np.asarray(rng.integers(4, size=seeds.shape[0]))[index]]
    inside = _step(radius - distance, 0.012)
    albedo = _mix(colour(rng, (0.3, 0.75))[None], painted, inside)
    return _coat(_cloudy(points, albedo, rng, 0.05), inside)


def checks(points: Points, rng: np.random.Generator) -> Coat:
    """A chessboard around the body."""
    around, up = 2 * int(rng.integers(4, 12)), int(rng.integers(5, 14))
    wave = np.sin(around * points.angle / 2) * np.sin(np.pi * up * points.height)
    albedo = _mix(colour(rng, (0.35, 0.75))[None], colour(rng, (0.04, 0.3)), _step(wave, 0.12))
    return _coat(_cloudy(points, albedo, rng, 0.08), np.full(points.height.size, rng.random()))


def marble(points: Points, rng: np.random.Generator) -> Coat:
    """Veins: the zero crossings of a wave that noise bends."""
    direction = rng.standard_normal(3)
    bent = points.position @ direction * 4 + 2.2 * noise(points.position, 1.5, rng)
    vein = np.abs(np.sin(bent)) ** 0.5
    albedo = _mix(colour(rng, (0.04, 0.4))[None], colour(rng, (0.45, 0.78)), vein)
    return _coat(albedo, np.full(points.height.size, 0.8))


def wash(points: Points, rng: np.random.Generator) -> Coat:
    """Three colours that run into one another from foot to lip."""
    stops = np.stack([colour(rng, (0.1, 0.75)) for _ in range(3)])
    t = np.clip(points.height + 0.06 * noise(points.position, 2, rng), 0, 1)
    albedo = np.stack([np.interp(t, [0, 0.5, 1], stops[:, i]) for i in range(3)], axis=1)
    return _coat(albedo, t)


def scales(points: Points, rng: np.random.Generator) -> Coat:
    """Rows of overlapping round scales, each of its own tone."""
    around, up = int(rng.integers(8, 20)), int(rng.integers(6, 14))
    row = np.floor(points.height * up)
    u = np.mod(points.angle / (2 * np.pi) * around + 0.5 * np.mod(row, 2), 1) - 0.5
    v = np.mod(points.height * up, 1)
    rim = _step(np.hypot(u, v) - 0.55, 0.12)
    albedo = _mix(colour(rng, (0.3, 0.75))[None], colour(rng, (0.04, 0.3)), rim)
    return _coat(albedo * (0.7 + 0.4 * v)[:, None], 1 - rim)


def lattice(points: Points, rng: np.random.Generator) -> Coat:
    """A net of crossing diagonal lines."""
    around, up = int(rng.integers(5, 14)), rng.uniform(4, 9)
    a = points.angle / (2 * np.pi) * around
    b = points.height * up
    line = np.minimum(*(np.abs(np.mod(a + sign * b, 1) - 0.5) for sign in (-1, 1)))
    albedo = _mix(
        colour(rng, (0.04, 0.4))[None], colour(rng, (0.35, 0.78)), _step(line - 0.06, 0.04)
    )
    return _coat(_cloudy(points, albedo, rng, 0.05), np.full(points.height.size, rng.random()))


def patches(points: Points, rng: np.random.Generator) -> Coat:
    """Cells of plain colour, as in a mosaic."""
    count = int(rng.integers(30, 200))
    wall, patch = cells(points.position, count, rng)
    paints = np.stack([colour(rng, (0.05, 0.75)) for _ in range(6)])
    albedo = paints[rng.integers(6, size=count)[patch]]
    return _coat(
        _mix(albedo, clay(rng) * 0.5, 1 - _step(wall - 0.006, 0.006)), rng.random(count)[patch]
    )


MINI: Mapping[str, Texture] = {
    "bands": bands,
    "crackle": crackle,
    "figures": figures,
    "glaze": glaze,
    "mottle": mottle,
}
OTHERS: Mapping[str, Texture] = {
    "checks": checks,
    "dots": dots,
    "lattice": lattice,
    "marble": marble,
    "patches": patches,
    "scales": scales,
    "spirals": spirals,
    "wash": wash,
}

"""One vase: its shape, what covers it, and the cameras that look at it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from bench.datasets.vases import profiles, shapes, textures
from bench.datasets.vases.profiles import Curve
from bench.datasets.vases.shapes import Shape
from bench.graphics.cameras import intrinsics_from_fov, look_at
from bench.quantities import Camera

Float32: TypeAlias = NDArray[np.float32]
Handles: TypeAlias = Callable[[Curve, np.random.Generator], list[Shape]]

VIEWS = 4
# Uneven steps, so that one scene holds baselines of 45, 75, 105 and 135 degrees between neighbours.
_AZIMUTHS = (0.0, 45.0, 120.0, 225.0)
_TURNED, _OTHERWISE = 3, 1  # of every four scenes, so many are surfaces of revolution


@dataclass(frozen=True)
class Families:
    """What scenes are drawn from: profile control points, sections, handles, textures."""

    profiles: Mapping[str, tuple[tuple[float, float], ...]]
    sections: Mapping[str, Callable[[np.random.Generator], shapes.Section]]
    handles: Mapping[str, Handles]
    textures: Mapping[str, textures.Texture]


MINI = Families(
    profiles.MINI,
    shapes.MINI_SECTIONS,
    {"shoulder-handles": shapes.shoulder_handles},
    textures.MINI,
)
"""The committed test split's; used for nothing else."""

OTHERS = Families(
    profiles.OTHERS,
    shapes.OTHER_SECTIONS,
    {"side-handles": shapes.side_handles},
    textures.OTHERS,
)
"""Everybody else's: training, validation, users' own test sets."""


@dataclass(frozen=True, eq=False)
class Surface:
    """A mesh and its reflectance per vertex: albedo N×3, roughness N×1, specular (F₀) N×1."""

    shape: Shape
    albedo: NDArray[np.float64]
    roughness: NDArray[np.float64]
    specular: NDArray[np.float64]


@dataclass(frozen=True)
class Recipe:
    """What one scene is made of; `form` is "revolution", a section, handles or "mesh"."""

    family: str
    form: str
    texture: str


@dataclass(frozen=True, eq=False)
class Vase:
    """A scene before rendering."""

    recipe: Recipe
    surface: Surface
    cameras: tuple[Camera, ...]


def drawn_recipe(families: Families, index: int, rng: np.random.Generator) -> Recipe:
    """A random recipe; every fourth scene is not a surface of revolution."""
    forms = [*families.sections, *families.handles]
    turned = index % (_TURNED + _OTHERWISE) < _TURNED
    return Recipe(
        str(rng.choice(list(families.profiles))),
        "revolution" if turned else str(rng.choice(forms)),
        str(rng.choice(list(families.textures))),
    )


def vase(recipe: Recipe, families: Families, size: int, rng: np.random.Generator) -> Vase:
    """The scene of a recipe; `size` is the image's width and height in pixels."""
    shape = vessel(recipe, families, size, rng)
    surface = covered(shape, families.textures[recipe.texture], rng)
    return Vase(recipe, surface, cameras(shape, size, rng))


def vessel(recipe: Recipe, families: Families, size: int, rng: np.random.Generator) -> Shape:
    """A closed vessel, centred, of largest half extent 1, fine enough for the image's size."""
    rings = int(np.clip(4 * size, 384, 2048))
    outer = profiles.outer_wall(families.profiles[recipe.family], rng, rings)
    handles = families.handles.get(recipe.form)
    thickness = rng.uniform(0.018, 0.03)
    profile = profiles.closed_wall(outer, thickness, rings)
    section = families.sections.get(recipe.form)
    body = shapes.turned(profile, rings, None if section is None else section(rng))
    parts = [body] if handles is None else [body, *handles(outer, rng)]
    return shapes.fitted(shapes.joined(parts))


def covered(shape: Shape, texture: textures.Texture, rng: np.random.Generator) -> Surface:
    """The shape with a texture; where it is glazed it is smoother and reflects more."""
    coat = texture(textures.Points.of(shape.vertices), rng)
    glazed, bare = rng.uniform(0.15, 0.4), rng.uniform(0.4, 0.8)
    reflects = rng.uniform(0.035, 0.08), rng.uniform(0.02, 0.04)
    share = coat.glaze[:, None]
    return Surface(
        shape,
        coat.albedo,
        bare + (glazed - bare) * share,
        reflects[1] + (reflects[0] - reflects[1]) * share,
    )


def cameras(shape: Shape, size: int, rng: np.random.Generator) -> tuple[Camera, ...]:
    """Cameras around the shape: elevation 0–20°, field of view 9–11°, the shape just in frame."""
    fov = rng.uniform(9, 11)
    start = rng.uniform(0, 360)
    azimuths = np.radians(start + np.array(_AZIMUTHS) + rng.uniform(-8, 8, VIEWS))
    elevations = np.radians(rng.uniform(0, 20, VIEWS))
    radius = np.hypot(shape.vertices[:, 0], shape.vertices[:, 2]).max()
    half = np.abs(shape.vertices[:, 1]).max()
    reach = max(radius, (half * np.cos(elevations) + radius * np.sin(elevations)).max())
    # The near side stands closer than the centre by `radius`, and looks that much larger.
    distance = reach * rng.uniform(1.02, 1.1) / np.tan(np.radians(fov) / 2) + radius
    intrinsics = intrinsics_from_fov(fov, size, size)
    toward = np.stack(
        [
            np.sin(azimuths) * np.cos(elevations),
            np.sin(elevations),
            np.cos(azimuths) * np.cos(elevations),
        ],
        axis=1,
    )
    return tuple(
        Camera(intrinsics, look_at(distance * direction, np.zeros(3)), size, size)
        for direction in toward
    )

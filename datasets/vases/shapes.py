"""Triangle meshes of vessels: turned profiles, and four ways of leaving the turned form."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from bench.datasets.vases.profiles import Curve

Floats: TypeAlias = NDArray[np.float64]
Section: TypeAlias = Callable[[Floats, Floats], Floats]


@dataclass(frozen=True, eq=False)
class Shape:
    """A closed surface in object space, y up: vertices N×3, unit normals N×3, faces M×3."""

    vertices: Floats
    normals: Floats
    faces: NDArray[np.int64]


def turned(profile: Curve, turns: int, section: Section | None = None) -> Shape:
    """The surface that `profile` sweeps about the y axis.

    Args:
        profile: M×2 (radius, height), closed as by `profiles.closed_wall`.
        turns: angular samples.
        section: the radius' factor of (angle, height), angle 0 at +z and growing toward +x;
            None for a surface of revolution.
    """
    rings = profile.shape[0]
    angle = np.arange(turns) * (2 * np.pi / turns)
    height = np.repeat(profile[:, 1:], turns, axis=1)  # M×T
    angles = np.repeat(angle[None], rings, axis=0)  # M×T
    radius = profile[:, :1] * (1.0 if section is None else section(angles, height))  # M×T
    vertices = np.stack([radius * np.sin(angles), height, radius * np.cos(angles)], axis=-1)
    return with_normals(vertices.reshape(-1, 3), _grid_faces(rings, turns))


def with_normals(vertices: Floats, faces: NDArray[np.int64]) -> Shape:
    """A shape whose vertex normals are the area-weighted mean of the triangles around."""
    a, b, c = (vertices[faces[:, i]] for i in range(3))
    of_face = np.cross(b - a, c - a)  # M×3
    normals = np.stack(
        [
            np.bincount(faces.ravel(), np.repeat(of_face[:, i], 3), vertices.shape[0])
            for i in range(3)
        ],
        axis=1,
    )
    length = np.linalg.norm(normals, axis=1, keepdims=True)
    up = np.array([0.0, 1.0, 0.0])
    return Shape(vertices, np.where(length > 0, normals / np.maximum(length, 1e-300), up), faces)


def joined(shapes: list[Shape]) -> Shape:
    """Several closed surfaces as one mesh; where they overlap the inner parts stay hidden."""
    offsets = np.cumsum([0] + [shape.vertices.shape[0] for shape in shapes[:-1]])
    return Shape(
        np.concatenate([shape.vertices for shape in shapes]),
        np.concatenate([shape.normals for shape in shapes]),
        np.concatenate(
            [shape.faces + offset for shape, offset in zip(shapes, offsets, strict=True)]
        ),
    )


def fitted(shape: Shape) -> Shape:
    """The shape moved and scaled so that it is centred and the largest of half height and
    radius is 1."""
    low, high = shape.vertices.min(axis=0), shape.vertices.max(axis=0)
    centred = shape.vertices - (low + high) / 2
    extent = max(np.abs(centred[:, 1]).max(), np.hypot(centred[:, 0], centred[:, 2]).max())
    return Shape(centred / extent, shape.normals, shape.faces)


def _grid_faces(rings: int, turns: int) -> NDArray[np.int64]:
    ring, turn = np.meshgrid(np.arange(rings - 1), np.arange(turns), indexing="ij")
    here, right = ring * turns + turn, ring * turns + (turn + 1) % turns
    above, across = here + turns, right + turns
    first = np.stack([here, right, across], axis=-1).reshape(-1, 3)
    second = np.stack([here, across, above], axis=-1).reshape(-1, 3)
    return np.concatenate([first, second])


def _body(height: Floats, low: float, high: float) -> Floats:
    """1 on the body, falling smoothly to 0 toward foot and lip."""
    rise = np.clip((height - low) / 0.1, 0, 1)
    fall = np.clip((high - height) / 0.1, 0, 1)
    return (rise * rise * (3 - 2 * rise)) * (fall * fall * (3 - 2 * fall))


def flutes(rng: np.random.Generator) -> Section:
    """Upright grooves around the body."""
    count, depth = int(rng.integers(12, 21)), rng.uniform(0.03, 0.05)
    return lambda angle, height: (
        1 - depth * _body(height, 0.06, 0.9) * (1 - np.abs(np.cos(count * angle / 2)))
    )


def facets(rng: np.random.Generator) -> Section:
    """A regular polygon as the cross-section."""
    sides = int(rng.integers(6, 9))
    half = np.pi / sides
    return lambda angle, _: np.cos(half) / np.cos(np.mod(angle, 2 * half) - half)


def twisted_ribs(rng: np.random.Generator) -> Section:
    """Round ribs that wind around the body."""
    count, depth = int(rng.integers(8, 17)), rng.uniform(0.02, 0.06)
    twist = rng.uniform(1.5, 5) * rng.choice([-1, 1])
    return lambda angle, height: (
        1 + depth * _body(height, 0.05, 0.95) * np.sin(count * angle + twist * height * 2)
    )


def lobes(rng: np.random.Generator) -> Section:
    """A few wide swellings, as of a melon or a flower."""
    count, depth = int(rng.integers(3, 8)), rng.uniform(0.05, 0.12)
    return lambda angle, height: (
        1 - depth * _body(height, 0.04, 1.1) * np.abs(np.sin(count * angle / 2)) ** 3
    )


def squared(rng: np.random.Generator) -> Section:
    """A rounded rectangle as the cross-section: a superellipse."""
    power, narrow = rng.uniform(3, 8), rng.uniform(0.6, 1.0)

    def section(angle: Floats, _: Floats) -> Floats:
        x, z = np.abs(np.sin(angle)), np.abs(np.cos(angle) / narrow)
        return (x**power + z**power) ** (-1 / power) * 0.8

    return section


MINI_SECTIONS: Mapping[str, Callable[[np.random.Generator], Section]] = {
    "flutes": flutes,
    "facets": facets,
}
OTHER_SECTIONS: Mapping[str, Callable[[np.random.Generator], Section]] = {
    "twisted-ribs": twisted_ribs,
    "lobes": lobes,
    "squared": squared,
}


def shoulder_handles(outer: Curve, rng: np.random.Generator) -> list[Shape]:
    """Two handles from the shoulder to the neck, on opposite sides."""
    bulge = rng.uniform(0.16, 0.2)
    return [_handle(outer, 0.66, 0.9, bulge, 0.022, turn) for turn in (0.0, np.pi)]


def side_handles(outer: Curve, rng: np.random.Generator) -> list[Shape]:
    """One to three ear-shaped handles along the side."""
    low, high = rng.uniform(0.2, 0.4), rng.uniform(0.6, 0.85)
    bulge, thick = rng.uniform(0.12, 0.25), rng.uniform(0.02, 0.035)
    count, start = int(rng.integers(1, 4)), rng.uniform(0, 2 * np.pi)
    return [
        _handle(outer, low, high, bulge, thick, start + 2 * np.pi * i / count) for i in range(count)
    ]


def _handle(
    outer: Curve, low: float, high: float, bulge: float, thick: float, turn: float
) -> Shape:
    """A tube along a cubic Bézier curve in the half plane at angle `turn`."""
    ends = [np.array([np.interp(h, outer[:, 1], outer[:, 0]) - thick / 2, h]) for h in (low, high)]
    reach = max(end[0] for end in ends) + bulge
    controls = np.array([ends[0], [reach, low], [reach, high + 0.05], ends[1]])
    t = np.linspace(0, 1, 160)[:, None]
    weights = np.concatenate(
        [(1 - t) ** 3, 3 * t * (1 - t) ** 2, 3 * t * t * (1 - t), t**3], axis=1
    )
    path = weights @ controls  # 160×2
    normal = np.gradient(path, axis=0)[:, ::-1] * [1, -1]
    normal /= np.linalg.norm(normal, axis=1, keepdims=True)
    around = np.linspace(0, 2 * np.pi, 48, endpoint=False)
    radial = path[:, None] + thick * np.cos(around)[:, None] * normal[:, None]  # 160×48×2
    aside = np.broadcast_to(1.4 * thick * np.sin(around), radial.shape[:2])  # 160×48
    vertices = np.stack(
        [
            radial[..., 0] * np.sin(turn) + aside * np.cos(turn),
            radial[..., 1],
            radial[..., 0] * np.cos(turn) - aside * np.sin(turn),
        ],
        axis=-1,
    ).reshape(-1, 3)
    faces = _grid_faces(path.shape[0], around.size)
    return _facing_out(with_normals(vertices, faces), np.repeat(path, around.size, axis=0), turn)


def _facing_out(tube: Shape, path: Curve, turn: float) -> Shape:
    """The tube with its triangles turned, where need be, so that normals leave the path."""
    centre = np.stack([path[:, 0] * np.sin(turn), path[:, 1], path[:, 0] * np.cos(turn)], axis=1)
    if np.einsum("ij,ij->", tube.normals, tube.vertices - centre) > 0:
        return tube
    return Shape(tube.vertices, -tube.normals, tube.faces[:, ::-1])

"""Procedural texture pictures, for who has no photographed ones: what CC0 collections hold, drawn.

Each family maps random numbers to encoded RGB N×N×3 in [0, 1], N = `SIZE`. None of them is a family
of the dataset `vases`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

Picture: TypeAlias = Any
"""Picture N×N or N×N×3; OpenCV's types and NumPy's do not fit one another."""

Pattern: TypeAlias = Callable[[np.random.Generator], Picture]

SIZE = 512


def spectral(rng: np.random.Generator, slope: float, stretch: float = 1.0) -> Picture:
    """Periodic noise N×N of zero mean and unit deviation, of amplitudes ∝ frequency^-slope.

    `stretch` > 1 draws it out along the columns.
    """
    rows = np.fft.fftfreq(SIZE)[:, None] * stretch
    frequency = np.hypot(rows, np.fft.rfftfreq(SIZE)[None])  # N×(N/2+1)
    frequency[0, 0] = np.inf
    spectrum = np.fft.rfft2(rng.standard_normal((SIZE, SIZE))) * frequency**-slope
    field = np.fft.irfft2(spectrum, (SIZE, SIZE))
    return (field / field.std()).astype(np.float32)


def palette(rng: np.random.Generator, count: int) -> Picture:
    """Encoded colours count×3: one hue, its neighbours or its opposite, dark to light."""
    hue = rng.random() + rng.choice([0, 0, 0.08, 0.5]) * rng.random(count)
    saturation = np.clip(rng.uniform(0.1, 0.6) + 0.12 * rng.standard_normal(count), 0, 0.85)
    value = np.sort(rng.uniform(0.15, 0.9, count))
    wheel = np.abs(np.mod(hue[:, None] * 6 + np.array([0, 4, 2]), 6) - 3) - 1  # count×3
    mixed = value[:, None] * (1 - saturation[:, None] * (1 - np.clip(wheel, 0, 1)))
    return mixed.astype(np.float32)


def ramp(colours: Picture, share: NDArray[np.floating[Any]]) -> Picture:
    """Colours K×3 met in order as `share` N×N goes from 0 to 1, N×N×3."""
    stops = np.linspace(0, 1, len(colours))
    return np.stack([np.interp(share, stops, channel) for channel in colours.T], -1).astype(
        np.float32
    )


def rank(field: Picture) -> Picture:
    """A field spread evenly over [0, 1]: the standard normal's distribution function, roughly."""
    return 1 / (1 + np.exp(-1.7 * field))


def grid() -> tuple[Picture, Picture]:
    """Row and column N×N each, in [0, 1)."""
    row, column = np.mgrid[:SIZE, :SIZE].astype(np.float32) / SIZE
    return row, column


def turned(field: Picture, amount_row: Picture, amount_column: Picture) -> Picture:
    """A periodic field displaced by amounts N×N in pixels."""
    row, column = np.mgrid[:SIZE, :SIZE].astype(np.float32)
    rows, columns = row + amount_row, column + amount_column
    return cv2.remap(field, columns, rows, cv2.INTER_LINEAR, borderMode=cv2.BORDER_WRAP)


def stone(rng: np.random.Generator) -> Picture:
    """Layers of rock that were folded."""
    layers = spectral(rng, 1.3, stretch=0.15)
    folds = spectral(rng, 2.2) * rng.uniform(5, 40)
    field = turned(layers, folds, spectral(rng, 2.2) * 20)
    return ramp(palette(rng, 5), rank(field + 0.2 * spectral(rng, 0.3)))


def granite(rng: np.random.Generator) -> Picture:
    """Grains of three minerals."""
    colours, picture = palette(rng, 3), np.zeros((SIZE, SIZE, 3), np.float32)
    fields = np.stack([spectral(rng, rng.uniform(0.7, 1.1)) for _ in colours])
    picture[:] = colours[fields.argmax(axis=0)]
    return cv2.GaussianBlur(picture, (0, 0), 0.8) + 0.03 * spectral(rng, 0.2)[..., None]


def wood(rng: np.random.Generator) -> Picture:
    """Year rings cut along the trunk, and pores."""
    row, column = grid()
    bend = 0.05 * spectral(rng, 2, stretch=4) + 0.15 * np.sin(2 * np.pi * (row + rng.random()))
    rings = (column + bend) * rng.uniform(6, 25)
    early = np.mod(rings, 1) ** rng.uniform(1, 3)
    pores = np.clip(spectral(rng, 0.4, stretch=0.03) - 1.5, 0, 1)
    return ramp(palette(rng, 3), 0.75 * early + 0.1 * rank(spectral(rng, 1))) * (
        1 - 0.4 * pores[..., None]
    )


def bricks(rng: np.random.Generator) -> Picture:
    """Courses of bricks or tiles, each of its own tone, in mortar."""
    row, column = grid()
    courses, per_course = int(rng.integers(5, 18)), int(rng.integers(3, 10))
    course = np.floor(row * courses)
    along = column * per_course + rng.choice([0, 0.5]) * np.mod(course, 2)
    brick = (course * 31 + np.floor(along) * 17).astype(np.int64) % 64
    wobble = 0.03 * spectral(rng, 1)
    edge_row = np.abs(np.mod(row * courses, 1) - 0.5) + wobble
    edge_column = np.abs(np.mod(along, 1) - 0.5) + wobble * per_course / courses
    gap = rng.uniform(0.02, 0.08)
    in_mortar = np.maximum(edge_row, edge_column + gap * (1 - per_course / courses)) > 0.5 - gap
    tone = palette(rng, 6)[rng.integers(1, 6, 64)][brick]
    tone = tone * (1 + 0.12 * spectral(rng, 0.9)[..., None])
    return np.where(in_mortar[..., None], palette(rng, 2)[rng.integers(2)], tone).astype(np.float32)


def weave(rng: np.random.Generator) -> Picture:
    """A tartan: coloured threads over and under one another."""
    threads = int(rng.integers(24, 80))
    row, column = (np.asarray(axis * threads) for axis in grid())
    colours = palette(rng, 5)
    runs = np.repeat(rng.integers(5, size=threads), rng.integers(1, 9, threads))[:threads]
    warp, weft = runs[column.astype(int)], runs[::-1][row.astype(int)]
    over = np.mod(np.floor(row) + np.floor(column), rng.integers(2, 5)) < 1
    across = np.where(over, np.mod(column, 1), np.mod(row, 1)) - 0.5
    round_thread = 1 - rng.uniform(0.5, 2) * across**2
    picture = np.where(over[..., None], colours[warp], colours[weft]) * round_thread[..., None]
    return picture * (1 + 0.08 * spectral(rng, 0.3)[..., None])


def terrazzo(rng: np.random.Generator) -> Picture:
    """Angular chips set in plaster, large ones first."""
    picture = np.ones((SIZE, SIZE, 3), np.float32) * palette(rng, 1)[0]
    colours = palette(rng, 5)
    for radius in np.sort(rng.gamma(2, rng.uniform(4, 12), int(rng.integers(150, 400))))[::-1]:
        corners = int(rng.integers(4, 8))
        angle = np.sort(rng.uniform(0, 2 * np.pi, corners))
        reach = radius * rng.uniform(0.6, 1, corners)
        outline = np.stack([np.cos(angle), np.sin(angle)], 1) * reach[:, None]
        _polygon(picture, outline + rng.uniform(0, SIZE, 2), colours[rng.integers(5)])
    return picture * (1 + 0.04 * spectral(rng, 0.4)[..., None])


def flaking(rng: np.random.Generator) -> Picture:
    """Coats of paint that came off in patches, down to rust."""
    colours = palette(rng, 4)
    picture = ramp(colours[:2], rank(spectral(rng, 1)))
    relief = spectral(rng, 1.6)
    for colour, height in zip(colours[2:], np.sort(rng.uniform(-0.8, 0.8, 2)), strict=True):
        coat = np.clip((relief + 0.15 * spectral(rng, 0.8) - height) * 12, 0, 1)[..., None]
        shade = 1 - 0.3 * coat * (1 - coat) * 4  # a dark rim where a coat ends
        picture = (picture + (colour - picture) * coat) * shade
    return picture


def brushwork(rng: np.random.Generator) -> Picture:
    """Strokes of a loaded brush, one over the other."""
    picture = np.ones((SIZE, SIZE, 3), np.float32) * palette(rng, 1)[0]
    colours, lean = palette(rng, 6), rng.uniform(0, np.pi)
    for _ in range(int(rng.integers(100, 500))):
        angle = lean + 0.5 * rng.standard_normal()
        start = rng.uniform(-40, SIZE + 40, 2)
        end = start + rng.uniform(20, 200) * np.array([np.cos(angle), np.sin(angle)])
        colour = colours[rng.integers(6)] * rng.uniform(0.8, 1.2)
        _line(picture, start, end, colour, int(rng.integers(2, 22)))
    return picture * (1 + 0.05 * spectral(rng, 0.6)[..., None])


def ornament(rng: np.random.Generator) -> Picture:
    """One motif, mirrored and repeated as on printed paper."""
    cells = int(rng.choice([2, 4, 8]))
    side = SIZE // cells // 2
    motif = turned(spectral(rng, 1.5), spectral(rng, 2) * 9, spectral(rng, 2) * 9)[:side, :side]
    motif = motif + motif.T if rng.random() < 0.5 else motif
    tile = np.block([[motif, motif[:, ::-1]], [motif[::-1], motif[::-1, ::-1]]])
    field = np.tile((tile - tile.mean()) / tile.std(), (cells, cells))
    steps = int(rng.integers(2, 5))
    flat = np.floor(rank(field) * steps) / (steps - 1)
    return cv2.GaussianBlur(ramp(palette(rng, steps), np.clip(flat, 0, 1)), (0, 0), 0.7)


def pebbles(rng: np.random.Generator) -> Picture:
    """River stones lying over one another, each darker at its rim."""
    picture = np.ones((SIZE, SIZE, 3), np.float32) * palette(rng, 1)[0] * 0.5
    colours, scale = palette(rng, 6), rng.uniform(8, 30)
    for _ in range(int(4 * (SIZE / scale) ** 2 / np.pi)):
        where, tilt = rng.uniform(0, SIZE, 2), rng.uniform(0, 180)
        axes = scale * rng.uniform(0.5, 1.2, 2)
        colour = colours[rng.integers(6)] * rng.uniform(0.85, 1.1)
        for part, shade in ((1.0, 0.55), (0.9, 0.85), (0.7, 1.0)):
            size = _pixel(np.maximum(axes * part, 1))
            cv2.ellipse(picture, _pixel(where), size, tilt, 0, 360, (colour * shade).tolist(), -1)
    return cv2.GaussianBlur(picture, (0, 0), 1) * (1 + 0.05 * spectral(rng, 0.5)[..., None])


def foliage(rng: np.random.Generator) -> Picture:
    """Leaves scattered thickly, with a midrib each."""
    picture = np.ones((SIZE, SIZE, 3), np.float32) * palette(rng, 1)[0] * 0.4
    colours, scale = palette(rng, 6), rng.uniform(20, 60)
    t = np.linspace(0, 1, 12)
    half = np.sin(np.pi * t) * rng.uniform(0.15, 0.35)
    outline = np.concatenate([np.stack([t, half], 1), np.stack([t, -half], 1)[::-1]])
    for _ in range(int(3 * (SIZE / scale) ** 2)):
        angle, size = rng.uniform(0, 2 * np.pi), scale * rng.uniform(0.6, 1.2)
        axis = size * np.array([np.cos(angle), np.sin(angle)])
        turn = np.stack([axis, [-axis[1], axis[0]]])  # 2×2
        start, colour = rng.uniform(-scale, SIZE, 2), colours[rng.integers(6)]
        _polygon(picture, outline @ turn + start, colour * rng.uniform(0.8, 1.15))
        _line(picture, start, start + axis, colour * 0.7, 1)
    return picture


def _polygon(picture: Picture, outline: Any, colour: Any) -> None:
    """Fill the corners K×2 (x, y) in pixels."""
    cv2.fillPoly(picture, [np.rint(outline).astype(np.int32)], colour.tolist(), cv2.LINE_AA)


def _line(picture: Picture, start: Any, end: Any, colour: Any, width: int) -> None:
    cv2.line(picture, _pixel(start), _pixel(end), colour.tolist(), width, cv2.LINE_AA)


def _pixel(position: Any) -> tuple[int, int]:
    x, y = np.rint(position)
    return int(x), int(y)


PATTERNS: Mapping[str, Pattern] = {
    "bricks": bricks,
    "brushwork": brushwork,
    "flaking": flaking,
    "foliage": foliage,
    "granite": granite,
    "ornament": ornament,
    "pebbles": pebbles,
    "stone": stone,
    "terrazzo": terrazzo,
    "weave": weave,
    "wood": wood,
}


def pattern(family: str, rng: np.random.Generator) -> NDArray[np.uint8]:
    """A picture N×N×3 of a family, 8 bits, sRGB-like encoding."""
    picture: NDArray[np.uint8] = np.rint(255 * np.clip(PATTERNS[family](rng), 0, 1)).astype(
        np.uint8
    )
    return picture

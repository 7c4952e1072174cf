"""Vases of other proportions out of a training picture, so that few families of shape suffice.

Each row is stretched about the vertical axis by a factor that varies smoothly from row to row, and
rows are moved: to the small field of view, the picture of another surface of revolution.
"""

from __future__ import annotations

from typing import Any, Literal

import cv2
import numpy as np
from numpy.typing import NDArray

Float32 = NDArray[np.float32]
Shapes = Literal["as-is", "stretched"]

_VERTICAL = (0.7, 1.15)
_WIDTH = 0.3  # deviation of the logarithm of the whole width
_WAVES = 0.25  # of the logarithm of a single row's
_MOVED = 0.04  # of the side, by which rows are moved
_FILLED = 0.97  # of the frame, at most
_KEPT = 0.2  # share of pictures that stay as they are


def stretched(
    picture: NDArray[np.floating[Any]], pitch: float, rng: np.random.Generator
) -> tuple[Float32, float]:
    """A picture S×S×C over zeros, its last channel the mask, and its pitch in degrees.

    The pitch follows the mean proportions: what narrows an ellipse makes it look more tilted.
    """
    if rng.random() < _KEPT:
        return picture.astype(np.float32), pitch
    size = picture.shape[0]
    inside = picture[..., -1] > 0.5
    rows = (2 * np.arange(size) + 1) / size - 1  # S, pixel centres in −1…1
    height = np.abs(rows[inside.any(axis=1)]).max(initial=0.1)
    vertical = min(float(rng.uniform(*_VERTICAL)), _FILLED / height)
    source = rows / vertical + _waves(rows, _MOVED, rng)  # S
    half = np.where(inside, np.abs(rows), 0).max(axis=1)  # S, of each source row
    factors = np.exp(_WIDTH * rng.normal() + _waves(rows, _WAVES, rng))  # S
    widest = (factors * np.interp(source, rows, half)).max()
    factors *= min(1.0, _FILLED / max(widest, 1e-3))
    x = ((rows[None] / factors[:, None] + 1) * size - 1) / 2  # S×S
    y = np.broadcast_to((((source + 1) * size - 1) / 2)[:, None], x.shape)  # S×S
    moved = cv2.remap(
        picture.astype(np.float32), x.astype(np.float32), y.astype(np.float32), cv2.INTER_LINEAR
    )
    seen = factors[np.interp(source, rows, half) > 0]
    mean = float(seen.mean()) if len(seen) else 1.0
    tilted = np.sin(np.radians(pitch)) * vertical / mean
    return np.asarray(moved, np.float32), float(np.degrees(np.arcsin(np.clip(tilted, -1, 1))))


def _waves(rows: NDArray[np.float64], amplitude: float, rng: np.random.Generator) -> Float32:
    """A smooth random function of the rows S: three sines of one half to three periods."""
    total = np.zeros_like(rows)
    for _ in range(3):
        periods, phase = rng.uniform(0.25, 1.5), rng.uniform(0, 2 * np.pi)
        total += rng.normal() * np.sin(2 * np.pi * periods * rows + phase)
    return np.asarray(amplitude / np.sqrt(3) * total, np.float32)

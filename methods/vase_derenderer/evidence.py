"""Does a photo show an edge where an outline was found?

A network draws a confident vase into any picture. What it cannot do is make the picture change
there: across the outline of something that is really seen, colour changes more than it does a
little further in or out; across an invented one it does not. No truth is needed for the test.
"""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter, map_coordinates, uniform_filter1d

from bench.graphics.colour import gamma_encode

Floating = NDArray[np.floating[Any]]

# Lengths are in 128ths of the picture's longer side.
_STEP = 0.5
_REACH = 4.0  # how far an outline may miss its edge
_BESIDE = 12.0  # how far to both sides other edges are looked at
_WIDTH = 2.0  # over which the colours on the two sides of an edge are averaged
_ALONG = 14.0  # of the outline over which changes are averaged
_STRONGER = 3.0  # than the mean change beside it
_FAINTEST = 0.03  # change of tone-mapped colour that counts, of 1
_LARGEST = 256


def outline_evidence(image: Floating, mask: Floating) -> float:
    """Share in [0, 1] of a mask's outline along which the image has its strongest edge.

    0 where the mask has no outline within the picture. A picture's border is no outline.

    Args:
        image: linear H×W×3.
        mask: H×W×1 in [0, 1]; the outline is that of mask > 0.5.
    """
    picture, inside = _reduced(gamma_encode(np.clip(image, 0, 1)), mask)
    unit = max(inside.shape) / 128
    points, outward = _outline(inside, unit)  # N×2 each
    if not len(points):
        return 0.0
    changes, offsets = _changes(picture, points, outward, unit)  # N×K, K
    at, beside = np.abs(offsets) <= _REACH, np.abs(offsets) > _REACH
    across = changes[:, at].max(axis=1)  # N
    around = changes[:, beside].mean(axis=1)  # N
    found = (across > _STRONGER * around) & (across > _FAINTEST)
    return float(found.mean())


def _reduced(image: Floating, mask: Floating) -> tuple[Floating, NDArray[np.bool_]]:
    """Both at no more than 256 pixels along the longer side: H×W×3, H×W."""
    height, width = mask.shape[:2]
    factor = min(1.0, _LARGEST / max(height, width))
    size = max(1, round(width * factor)), max(1, round(height * factor))
    layers = np.concatenate([image, mask], axis=-1, dtype=np.float32)  # H×W×4
    small: NDArray[Any] = np.asarray(cv2.resize(layers, size, interpolation=cv2.INTER_AREA))
    return small[..., :3], small[..., 3] > 0.5


def _outline(inside: NDArray[np.bool_], unit: float) -> tuple[Floating, Floating]:
    """Pixels (row, column) around the largest part, in order, and which way is out, N×2 each."""
    parts, _ = cv2.findContours(inside.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    pixels = max(parts, key=len)[:, 0, ::-1] if parts else np.zeros((0, 2), np.intp)  # N×2
    pixels = pixels[((pixels > 0) & (pixels < np.array(inside.shape) - 1)).all(axis=1)]
    if not len(pixels):
        return np.zeros((0, 2)), np.zeros((0, 2))
    slope = np.stack(np.gradient(gaussian_filter(inside.astype(np.float64), unit)), axis=-1)
    outward = -slope[pixels[:, 0], pixels[:, 1]]  # N×2
    length = np.linalg.norm(outward, axis=1, keepdims=True)  # N×1
    return pixels.astype(np.float64), outward / np.maximum(length, 1e-9)


def _changes(
    image: Floating, points: Floating, outward: Floating, unit: float
) -> tuple[Floating, Floating]:
    """Colour differences N×K across lines parallel to the outline, and their offsets K."""
    count = round(_BESIDE / _STEP)
    half = round(_WIDTH / _STEP)
    steps = np.arange(-count - half, count + half + 1) * _STEP  # K + 2·half
    where = points[:, None] + (unit * steps)[:, None] * outward[:, None]  # N×(K+2·half)×2
    colours = np.stack(
        [
            map_coordinates(channel, np.moveaxis(where, -1, 0), order=1, mode="nearest")
            for channel in np.moveaxis(image, -1, 0)
        ],
        axis=-1,
    )  # N×(K+2·half)×3
    total = np.cumsum(np.pad(colours, ((0, 0), (1, 0), (0, 0))), axis=1)  # sums before each
    inner = total[:, half : -half - 1] - total[:, : -2 * half - 1]  # N×K×3
    outer = total[:, 2 * half + 1 :] - total[:, half + 1 : -half]  # N×K×3
    difference = (outer - inner) / half
    # What changes alike along the outline stays, and noise cancels.
    alike = uniform_filter1d(difference, max(1, round(_ALONG * unit)), axis=0, mode="wrap")
    return np.linalg.norm(alike, axis=-1), steps[half:-half]

"""Pictures beside one another."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from bench.graphics.colour import srgb_encode

Floating = NDArray[np.floating[Any]]
Float32 = NDArray[np.float32]

GAP = 4
"""White pixels between two pictures."""


def shown(image: Floating) -> Float32:
    """The first three channels of H×W×C, linear RGB, as H×W×3 to be shown: clipped, encoded."""
    return srgb_encode(np.clip(image[..., :3], 0, 1)).astype(np.float32)


def grid(rows: Sequence[Sequence[Floating | None]]) -> Float32:
    """Rows of pictures h×w×3 in [0, 1], None for an empty place, as one H×W×3 on white.

    A column is as wide as its widest picture, a row as high as its highest; the others stand in
    the middle of their place.

    Raises:
        ValueError: rows of unlike length.
    """
    heights = [max((c.shape[0] for c in row if c is not None), default=0) for row in rows]
    columns = list(zip(*rows, strict=True))
    widths = [max((c.shape[1] for c in column if c is not None), default=0) for column in columns]
    tops, lefts = (np.cumsum([0, *(size + GAP for size in sizes)]) for sizes in (heights, widths))
    whole = np.ones((tops[-1] - GAP, lefts[-1] - GAP, 3), np.float32)
    for row, top, height in zip(rows, tops, heights, strict=False):
        for cell, left, width in zip(row, lefts, widths, strict=False):
            if cell is not None:
                down, right = top + (height - len(cell)) // 2, left + (width - cell.shape[1]) // 2
                whole[down : down + cell.shape[0], right : right + cell.shape[1]] = cell
    return whole


def fitted(picture: Floating, height: int, width: int) -> Float32:
    """A picture h×w×3 made smaller, if need be, until it fits into height × width."""
    scale = min(height / picture.shape[0], width / picture.shape[1], 1.0)
    size = tuple(max(1, round(scale * side)) for side in (picture.shape[1], picture.shape[0]))
    single = np.ascontiguousarray(picture, np.float32)
    if scale == 1:
        return single
    return np.asarray(cv2.resize(single, size, interpolation=cv2.INTER_AREA), np.float32)

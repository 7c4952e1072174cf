"""The floor `point-splat`: the raw render, its small holes filled; NumPy and SciPy alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt

from bench.api import Prediction, Sample
from bench.errors import DataError

REACH = 4
"""Pixels: half the width of the widest gap that is filled."""


class PointSplat:
    """Answers each query with its framebuffer's colours."""

    def __init__(self, options: Mapping[str, Any], device: str) -> None:
        pass

    def predict(self, samples: Sequence[Sample]) -> Sequence[Prediction]:
        """The colours of each framebuffer H×W×C, linear RGB, holes filled as by `filled`."""
        return [
            {query.id: filled(query.condition["framebuffer"]) for query in sample.queries}
            for sample in samples
        ]


def filled(framebuffer: object) -> NDArray[np.float32]:
    """H×W×3: a hole of a framebuffer H×W×C takes the colour of the nearest covered pixel.

    Holes are what a morphological closing with a disc of radius `REACH` adds to the covered pixels,
    so that no outline grows; all else stays black.

    Raises:
        DataError: no framebuffer.
    """
    if not isinstance(framebuffer, np.ndarray) or framebuffer.ndim != 3:
        raise DataError(f"expected a framebuffer H×W×C, got {type(framebuffer).__name__}")
    colour = framebuffer[..., :3].astype(np.float32)  # H×W×3
    covered = framebuffer[..., 3] > 0  # H×W
    if not covered.any():
        return np.zeros_like(colour)
    nearest = distance_transform_edt(~covered, return_distances=False, return_indices=True)  # 2×H×W
    found: NDArray[np.float32] = colour[tuple(nearest)]
    # Beyond the frame nothing is known: its border closes no hole.
    grown = distance_transform_edt(~np.pad(covered, REACH)) <= REACH  # (H+8)×(W+8)
    closed = distance_transform_edt(np.pad(grown, 1))[1:-1, 1:-1] > REACH  # (H+8)×(W+8)
    inside = closed[REACH:-REACH, REACH:-REACH]  # H×W
    return np.where(inside[..., None], found, np.float32(0))

"""What a comparison looks at: linear values clipped, encoded and rounded as it says."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.graphics.colour import gamma_encode, srgb_encode
from bench.protocol import Comparison, Space

Float64 = NDArray[np.float64]

LUMA = np.array([0.2126, 0.7152, 0.0722])
"""Rec. 709 weights of red, green and blue."""

# What an 8-bit file held is just below its step after a round trip through linear float32.
_STEP_SLACK = 1e-3


def show(values: NDArray[Any], comparison: Comparison) -> Float64:
    """Linear values of any shape → clipped, encoded and rounded as the comparison says."""
    if comparison.clip is not None:
        values = np.clip(values, *comparison.clip)
    for _ in range(comparison.encoded):
        values = _encode(values, comparison.space)
    if comparison.levels is None:
        return np.asarray(values, np.float64)
    steps = values * comparison.levels
    steps = np.rint(steps) if comparison.rounding == "nearest" else np.floor(steps + _STEP_SLACK)
    return np.asarray(steps / comparison.levels)


def luma(values: Float64, comparison: Comparison) -> Float64:
    """Lists N×3 as N×1 where the comparison looks at luma, else as they are."""
    if comparison.channels != "luma" or values.shape[1] != len(LUMA):
        return values
    return np.asarray(values @ LUMA[:, None])  # N×1


def brightening(target: Float64) -> float:
    """Mean sRGB ÷ mean of a linear list N×C clipped to [0, 1] (§7.2); 1 where it is black."""
    clipped = np.clip(target, 0, 1)
    total = float(clipped.sum())
    # The background is black on both sides of the quotient and need not be in the list.
    return float(srgb_encode(clipped).sum()) / total if total > 0 else 1.0


def _encode(values: NDArray[Any], space: Space) -> Float64:
    if space == "srgb":
        return np.asarray(srgb_encode(values), np.float64)
    if space == "gamma22":
        return np.asarray(gamma_encode(values), np.float64)
    return values

"""Which pixels of a render show a point, and which renders show too few (spec §2.1)."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

LEAST_DENSITY = 0.15
"""Renders of which no larger share is covered are set aside."""


def covered(colour: NDArray[np.floating[Any]], trusted: bool = False) -> NDArray[np.bool_]:
    """H×W: where a stored render H×W×4 (or ×3 without alpha) shows a point.

    By alpha where alpha varies, and otherwise by the sum of RGB: where every pixel is opaque, the
    background was painted black.

    Args:
        trusted: alpha says it in any case, as in what we wrote ourselves.
    """
    if colour.shape[2] == 4:
        alpha = colour[..., 3]  # H×W
        if trusted or alpha.min() < alpha.max():
            return np.asarray(alpha > 0)
    return np.asarray(colour[..., :3].sum(axis=2) > 0)


def too_sparse(density: float) -> bool:
    """Whether no more than `LEAST_DENSITY` of the pixels are covered."""
    return density <= LEAST_DENSITY

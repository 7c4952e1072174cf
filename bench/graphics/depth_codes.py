"""Depth as 8 bits, one code for a whole data set (spec neural_rerendering §3)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.errors import DataError

Floating = NDArray[np.floating[Any]]

_SHARED = 12
"""Low bits of a float32 that depths of one bin may differ in: 2⁻¹¹ of the depth."""


@dataclass(frozen=True)
class DepthCode:
    """Depths from `near` to `far`, in scene units, as 255 to 1; what is nearer or farther is cut.

    Raises:
        DataError: not 0 ≤ near < far, or one of them is not finite.
    """

    near: float
    far: float

    def __post_init__(self) -> None:
        if not 0 <= self.near < self.far < np.inf:
            raise DataError(
                f"a depth code needs 0 ≤ near < far, not near {self.near} and far {self.far}"
            )

    def encode(self, depth: Floating) -> NDArray[np.uint8]:
        """Depth of any shape in scene units, 0 where empty → codes 1 to 255, 0 where empty."""
        share = (depth.astype(np.float64) - self.near) / (self.far - self.near)
        code = np.rint(254 * (1 - np.clip(share, 0, 1))) + 1
        return np.where(depth > 0, code, 0).astype(np.uint8)


def fitted(depths: Iterable[Floating]) -> DepthCode:
    """The code from the 5th to the 95th percentile of all known (> 0) depths of a data set.

    Depths are counted in bins of a relative 5e-4, so that a data set of any size fits; the order of
    the maps is of no matter. Where all depths are one, `far` lies a thousandth beyond it.

    Raises:
        DataError: no depth is known.
    """
    counts = np.zeros(1 << (31 - _SHARED), np.int64)
    for depth in depths:
        known = depth[np.isfinite(depth) & (depth > 0)].astype(np.float32)  # n
        counts += np.bincount(known.view(np.int32) >> _SHARED, minlength=len(counts))
    total = np.cumsum(counts)
    if not total[-1]:
        raise DataError("no view shows a point, so no depth code can be fitted; check the cameras")
    near, far = (_middle(int(np.searchsorted(total, share * total[-1]))) for share in (0.05, 0.95))
    return DepthCode(near, max(far, near * 1.001))


def _middle(bin_: int) -> float:
    bits = np.array((bin_ << _SHARED) + (1 << (_SHARED - 1)), np.int32)
    return float(bits.view(np.float32))

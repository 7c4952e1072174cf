"""Transfer curves and luminance for linear RGB with sRGB/Rec.709 primaries; nothing is clipped."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

Floating = NDArray[np.floating[Any]]

REC709_LUMINANCE = (0.2126, 0.7152, 0.0722)
DISPLAY_GAMMA = 2.2


def srgb_encode(linear: Floating) -> Floating:
    """Linear values → sRGB-encoded values, any shape (IEC 61966-2-1).

    [0, 1] maps onto [0, 1]; larger values follow the power piece, negative ones the linear piece,
    so that `srgb_decode` undoes it everywhere.
    """
    power = 1.055 * np.maximum(linear, 0.0031308) ** (1 / 2.4) - 0.055
    return np.where(linear <= 0.0031308, 12.92 * linear, power)


def srgb_decode(encoded: Floating) -> Floating:
    """sRGB-encoded values → linear values, any shape: the inverse of `srgb_encode`."""
    power = ((np.maximum(encoded, 0.04045) + 0.055) / 1.055) ** 2.4
    return np.where(encoded <= 0.04045, encoded / 12.92, power)


def gamma_encode(linear: Floating, gamma: float = DISPLAY_GAMMA) -> Floating:
    """linear^(1/gamma), any shape; odd in its argument, so negative values stay invertible."""
    return np.sign(linear) * np.abs(linear) ** (1 / gamma)


def gamma_decode(encoded: Floating, gamma: float = DISPLAY_GAMMA) -> Floating:
    """encoded^gamma, any shape: the inverse of `gamma_encode`."""
    return np.sign(encoded) * np.abs(encoded) ** gamma


def luminance(linear: Floating) -> Floating:
    """Relative luminance Y of linear RGB ...×3, as ...×1 (Rec.709 weights, which sum to 1)."""
    weights = np.array(REC709_LUMINANCE, linear.dtype)
    return (linear @ weights)[..., None]  # ...×1

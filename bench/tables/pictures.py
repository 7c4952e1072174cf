"""Quantities as pictures: linear arrays in, sRGB-encoded 8-bit H×W×3 out."""

from dataclasses import dataclass
from typing import Any

import cv2
import matplotlib
import numpy as np
from numpy.typing import NDArray

from bench.graphics.colour import luminance, srgb_encode
from bench.graphics.environments import solid_angles
from bench.graphics.normals import angular_error_degrees, normalise
from bench.protocol import Comparison
from bench.protocol.apply import inside_mask, resize
from bench.protocol.scales import Gain, fit_scale
from bench.protocol.showing import show

Picture = NDArray[np.uint8]
Floats = NDArray[np.floating[Any]]
Mask = NDArray[np.bool_]

TILE = 128
ERROR_COLOURS = "inferno"


@dataclass(frozen=True, eq=False)
class Compared:
    """A prediction beside its target, as one comparison sees them.

    Attributes:
        aligned: H×W×C linear, the prediction scaled as the comparison says.
        gain: the scale and shift that were applied, C numbers each.
        error: H×W, mean over channels of the absolute difference in the comparison's space.
        inside: H×W, the pixels compared.
    """

    aligned: Floats
    gain: Gain
    error: Floats
    inside: Mask


def compare(
    prediction: Floats, target: Floats, mask: Floats | None, comparison: Comparison
) -> Compared:
    """Align H×W×C linear arrays as scoring does, and keep the error of each pixel.

    Raises:
        InvalidValueError: for a mask of another size than the target.
    """
    height, width = target.shape[:2]
    resized = resize(prediction, height, width, comparison.resize).astype(np.float64)
    wanted = target.astype(np.float64)
    inside = inside_mask(mask, (height, width), comparison)
    gain = fit_scale(resized[inside], wanted[inside], comparison.scale)
    aligned = resized * gain.scale + gain.shift  # H×W×C
    error = np.abs(show(aligned, comparison) - show(wanted, comparison)).mean(axis=-1)
    return Compared(aligned, gain, error, inside)


def compare_normals(
    prediction: Floats, target: Floats, mask: Floats | None, comparison: Comparison
) -> Compared:
    """Like `compare` for normals H×W×3: the error is in degrees, where both are known."""
    height, width = target.shape[:2]
    resized = resize(prediction, height, width, comparison.resize)
    known = resized.any(axis=-1) & target.any(axis=-1)
    inside = inside_mask(mask, (height, width), comparison) & known
    error = angular_error_degrees(resized, target)[..., 0]  # H×W
    return Compared(normalise(resized), Gain(np.ones(3), np.zeros(3)), error, inside)


def of_colour(linear: Floats, exposure: float = 1.0) -> Picture:
    """Linear colour H×W×3, times the exposure, clipped to [0, 1] and sRGB encoded."""
    return _stored(srgb_encode(np.clip(linear * exposure, 0, 1)))


def of_scalar(values: Floats, limit: float = 1.0) -> Picture:
    """One number per pixel H×W×1 as grey, linear from 0 to `limit`."""
    return _stored(np.repeat(np.clip(values / limit, 0, 1), 3, axis=-1))


def of_normals(normals: Floats) -> Picture:
    """Unit normals H×W×3 as (n + 1)/2; black where unknown."""
    known = normals.any(axis=-1, keepdims=True)  # H×W×1
    return _stored(np.where(known, (normals + 1) / 2, 0))


def of_environment(radiance: Floats) -> Picture:
    """Radiance H×W×3 divided by its mean luminance over the sphere, tone-mapped as x ÷ (1 + x)."""
    weights = np.broadcast_to(
        solid_angles(*radiance.shape[:2])[..., None], (*radiance.shape[:2], 1)
    )
    mean = float(np.average(luminance(radiance), weights=weights))
    relative = np.maximum(radiance, 0) / (mean if mean > 0 else 1.0)
    return _stored(srgb_encode(relative / (1 + relative)))


def of_error(error: Floats, inside: Mask, limit: float) -> Picture:
    """An error map H×W in colours from 0 to `limit`; grey where nothing was compared."""
    colours = matplotlib.colormaps[ERROR_COLOURS](np.clip(error / limit, 0, 1))[..., :3]  # H×W×3
    return _stored(np.where(inside[..., None], colours, 0.5))


def colour_bar() -> Picture:
    """The colours of `of_error` from 0 at the left to the limit at the right."""
    ramp = np.broadcast_to(np.linspace(0, 1, TILE), (TILE // 8, TILE))
    return of_error(ramp, np.ones(ramp.shape, np.bool_), 1.0)


def outside_black(picture: Picture, mask: Floats | None) -> Picture:
    """A picture H×W×3 faded to black by its soft mask H×W×1, if there is one of its size."""
    if mask is None or mask.shape[:2] != picture.shape[:2]:
        return picture
    return _stored(picture * np.clip(mask, 0, 1) / 255)


def tile(picture: Picture, side: int = TILE) -> Picture:
    """A picture whose longer side is `side` pixels; averaged down, or copied up."""
    height, width = picture.shape[:2]
    factor = side / max(height, width)
    size = (max(1, round(width * factor)), max(1, round(height * factor)))
    rule = cv2.INTER_AREA if factor < 1 else cv2.INTER_NEAREST_EXACT
    return np.asarray(cv2.resize(picture, size, interpolation=rule), np.uint8)


def _stored(encoded: Floats) -> Picture:
    return np.rint(np.clip(np.nan_to_num(encoded), 0, 1) * 255).astype(np.uint8)

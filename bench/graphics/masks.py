"""Masks H×W×1 (or H×W): coverage in [0, 1] of the object."""

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

Floating = NDArray[np.floating[Any]]


def distance_transform(mask: Floating) -> NDArray[np.float32]:
    """How far each background pixel is from the object, in picture widths, same shape as the mask.

    The Euclidean distance between pixel centres to the nearest pixel whose mask is not 0, divided
    by W: at 256×256 it is the published pixels ÷ 256 (specs/vase_derenderer.md §5.1). Soft edges
    count as object (§5.3), and the object's pixels get 0.

    Raises:
        ValueError: no pixel belongs to the object, so there is no distance; or another shape.
    """
    if mask.ndim not in (2, 3) or mask.shape[2:] not in ((), (1,)):
        raise ValueError(f"a mask is H×W×1 or H×W, not {mask.shape}")
    outside = (mask == 0).reshape(mask.shape[:2])
    if outside.all():
        raise ValueError("the mask is empty: no pixel to measure a distance to")
    found = cv2.distanceTransform(outside.astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    # Its last bit depends on where its memory lies; the square is a whole number.
    pixels = np.sqrt(np.rint(np.square(found, dtype=np.float64)))
    distance: NDArray[np.float32] = (pixels / mask.shape[1]).astype(np.float32)
    return distance.reshape(mask.shape)

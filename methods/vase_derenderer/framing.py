"""Between a photo of any shape and the square that the networks see."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from bench.errors import DataError
from bench.graphics.colour import gamma_encode

Float32 = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Framed:
    """A photo as the networks see it.

    Attributes:
        pixels: S×S×3, tone-mapped, in [0, 1].
        side: of the padded square, in the photo's pixels.
        left, top: where the photo begins in that square.
    """

    pixels: Float32
    side: int
    left: int
    top: int


def framed(image: NDArray[np.floating[Any]], size: int) -> Framed:
    """A linear photo H×W×3, tone-mapped, padded to a square by its border's pixels, and resized.

    Radiance above 1 is clipped, as a camera does.

    Raises:
        DataError: not three channels, or values that are no numbers.
    """
    if image.ndim != 3 or image.shape[2] != 3:
        raise DataError(f"image: expected H×W×3, got {image.shape}")
    if not np.isfinite(image).all():
        raise DataError("image: holds NaN or infinity")
    height, width = image.shape[:2]
    side = max(height, width)
    top, left = (side - height) // 2, (side - width) // 2
    margins = (top, side - height - top), (left, side - width - left), (0, 0)
    encoded = gamma_encode(np.clip(image, 0, 1)).astype(np.float32)
    square = np.pad(encoded, margins, mode="edge")
    return Framed(resized(square, size), side, left, top)


def framed_mask(mask: NDArray[np.floating[Any]], size: int) -> Float32:
    """A mask H×W×1 as size×size×1: padded with zeros to a square, and resized like its image."""
    height, width = mask.shape[:2]
    side = max(height, width)
    top, left = (side - height) // 2, (side - width) // 2
    square = np.zeros((side, side, 1), np.float32)
    square[top : top + height, left : left + width] = mask
    return resized(square, size)


def resized(square: Float32, size: int) -> Float32:
    """A picture N×N×C in [0, 1] as size×size×C, bilinear; smaller ones without aliasing (§5.3).

    The filter is that of Pillow's bilinear: a triangle as wide as two of the coarser pixels.
    """
    channels = torch.from_numpy(square).permute(2, 0, 1)[None]  # 1×C×N×N
    small = functional.interpolate(
        channels, (size, size), mode="bilinear", align_corners=False, antialias=True
    )  # 1×C×size×size
    pixels: Float32 = small[0].permute(1, 2, 0).clamp(0, 1).contiguous().numpy()  # size×size×C
    return pixels

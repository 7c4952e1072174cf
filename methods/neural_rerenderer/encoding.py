"""Between the contract's linear images and what the networks see: values in [-1, 1] (spec §1).

Colour is clipped to [0, 1] and sRGB-encoded first; depth codes and semantic colours are labels and
stay as they are. Where a framebuffer holds no point, every channel is `EMPTY`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
import torch.nn.functional as functional
from numpy.typing import NDArray
from torch import Tensor

from bench.errors import DataError
from bench.graphics.colour import srgb_decode, srgb_encode

from .configuration import ALIGNMENT

Floating = NDArray[np.floating[Any]]
Float32 = NDArray[np.float32]

EMPTY = -1.0
LABELLED, PLAIN = 7, 4
"""Channels of a framebuffer with semantic colours, and without."""


def photo_tensor(image: Floating) -> Tensor:
    """A photo H×W×3 in linear RGB as 3×H×W float32 in [-1, 1].

    Raises:
        DataError: another shape, or nothing in it.
    """
    if image.ndim != 3 or image.shape[2] != 3 or not image.size:
        raise DataError(f"a photo is H×W×3, not {_written(image.shape)}")
    return _channels_first(srgb_encode(np.clip(image, 0, 1)))


def framebuffer_tensor(framebuffer: Floating) -> Tensor:
    """A deep framebuffer H×W×C, C = 4 or 7, as C×H×W float32 in [-1, 1].

    Raises:
        DataError: another shape, or depth that is not coded to [0, 1].
    """
    if framebuffer.ndim != 3 or framebuffer.shape[2] not in (PLAIN, LABELLED):
        raise DataError(
            "a framebuffer is H×W×4 (linear RGB, coded depth) or H×W×7 (and semantic colours), "
            f"not {_written(framebuffer.shape)}"
        )
    low, high = framebuffer[..., 3:].min(initial=0), framebuffer[..., 3:].max(initial=0)
    if low < 0 or high > 1:
        raise DataError(
            f"the framebuffer's depth and labels reach from {low:.4g} to {high:.4g}; they must lie "
            "in [0, 1]: code the depth (bench.graphics.depth_codes)"
        )
    colour = srgb_encode(np.clip(framebuffer[..., :3], 0, 1))  # H×W×3
    return _channels_first(np.concatenate([colour, framebuffer[..., 3:]], axis=-1))


def linear_image(values: Tensor) -> Float32:
    """A network's picture 3×H×W, clipped to [-1, 1], as H×W×3 in linear RGB."""
    return srgb_decode(encoded_image(values)).astype(np.float32)


def encoded_image(values: Tensor) -> Float32:
    """A network's picture 3×H×W, clipped to [-1, 1], as H×W×3 in [0, 1], sRGB-encoded."""
    encoded = (values.clamp(-1, 1) + 1) / 2
    array: Float32 = encoded.permute(1, 2, 0).float().cpu().numpy()  # H×W×3
    return np.ascontiguousarray(array)


def to_bytes(values: Tensor) -> Tensor:
    """Values in [-1, 1] as uint8, rounded (spec §1)."""
    return (127.5 * (values.clamp(-1, 1) + 1)).round().to(torch.uint8)


def from_bytes(stored: Tensor) -> Tensor:
    """uint8 as float32 in [-1, 1]: v·2/255 − 1."""
    return stored.float() * (2 / 255) - 1


def padded(conditions: Tensor) -> Tensor:
    """Framebuffers B×C×H×W, empty pixels added right and below up to multiples of 64."""
    height, width = conditions.shape[-2:]
    margins = (0, -width % ALIGNMENT, 0, -height % ALIGNMENT)
    return functional.pad(conditions, margins, value=EMPTY)  # B×C×H'×W'


def cropped_to(mask: Floating) -> tuple[slice, slice]:
    """Rows and columns of the smallest box that holds all of a mask H×W×1 above ½.

    Raises:
        DataError: the mask is empty.
    """
    inside = mask[..., 0] > 0.5  # H×W
    if not inside.any():
        raise DataError("the mask of the reference photo is empty: nothing of the photo is given")
    rows, columns = (np.flatnonzero(inside.any(axis=axis)) for axis in (1, 0))
    return slice(int(rows[0]), int(rows[-1]) + 1), slice(int(columns[0]), int(columns[-1]) + 1)


def _channels_first(encoded: Floating) -> Tensor:
    scaled = np.ascontiguousarray((2 * encoded - 1).transpose(2, 0, 1), np.float32)  # C×H×W
    return torch.from_numpy(scaled)


def _written(shape: tuple[int, ...]) -> str:
    return "×".join(str(size) for size in shape)

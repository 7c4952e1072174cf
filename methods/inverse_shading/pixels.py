"""The masked pixels of a batch as padded lists, and their neighbours as index pairs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

MOST_PAIRS = 15_000
"""Of more pairs, every second, third, … takes part: nine unknowns need no more."""

Floating = NDArray[np.floating[Any]]
Indices = NDArray[np.intp]


@dataclass(frozen=True, eq=False)
class Pixels:
    """What the solvers see of B images; N and P are the longest lists, shorter ones are padded.

    Attributes:
        image: B×N×3 linear RGB, 1 in the padding so that logarithms and ratios stay finite.
        normals: B×N×3 unit normals in the camera frame, zero where unknown or padding.
        usable: B×N, 1 where a pixel takes part in the light estimate, 0 elsewhere.
        first, second: B×P indices into N of pixels a fixed distance apart in a row or column.
        paired: B×P, 1 where both ends of a pair are usable, 0 elsewhere.
    """

    image: Tensor
    normals: Tensor
    usable: Tensor
    first: Tensor
    second: Tensor
    paired: Tensor


def inside(mask: Floating, threshold: float = 0.5) -> Indices:
    """Flat indices of the pixels of a soft mask H×W×1 above `threshold`, in row order."""
    return np.flatnonzero(mask[..., 0] > threshold)


def neighbours(indices: Indices, height: int, width: int, stride: int = 1) -> NDArray[np.int64]:
    """Pairs P×2 of positions in `indices` of pixels `stride` apart to the right or below."""
    position = np.full(height * width + stride * width, -1, np.int64)
    position[indices] = np.arange(len(indices))
    right = np.where(indices % width < width - stride, position[indices + stride], -1)
    pairs = [
        np.stack([np.flatnonzero(other >= 0), other[other >= 0]], axis=-1)
        for other in (right, position[indices + stride * width])
    ]  # each P×2
    return np.concatenate(pairs)


def usable(image: Floating, normals: Floating, coverage: Floating) -> NDArray[np.bool_]:
    """Which of N pixels may speak about the light (specs/inverse_shading.md §5), as N.

    Left out are mixed pixels, unknown and grazing normals (n_z < 0.15), pixels darker than 2 % of
    the bright ones, and saturated ones where the image ends at 1 as an 8-bit photo does. If that
    leaves fewer than 32 pixels, every pixel with a normal is kept.
    """
    # Channel by channel: a reduction over so short an axis is many times slower.
    brightest = np.maximum(np.maximum(image[:, 0], image[:, 1]), image[:, 2])  # N
    darkest = np.minimum(np.minimum(image[:, 0], image[:, 1]), image[:, 2])  # N
    bright = float(np.quantile(brightest, 0.99)) if len(image) else 1.0
    clipped = brightest >= 0.98 if 0.98 <= brightest.max(initial=0.0) <= 1 else brightest < 0
    known = np.einsum("nc,nc->n", normals, normals) > 0.25
    good = known & (normals[:, 2] > 0.15) & (coverage > 0.99) & (darkest > 0.02 * bright) & ~clipped
    chosen: NDArray[np.bool_] = good if good.sum() >= 32 else known & (darkest > 0)
    return chosen


def gather(
    images: Sequence[Floating],
    normals: Sequence[Floating],
    masks: Sequence[Floating],
    device: str,
    stride: int = 1,
) -> Pixels:
    """Collect the masked pixels of images H×W×3 with normals H×W×3 and masks H×W×1, in float64.

    Pairs are `stride` pixels apart: over a longer step the shading changes more, the noise not.
    """
    lists = [_lists(*arrays, stride) for arrays in zip(images, normals, masks, strict=True)]
    image, normal, good, pairs, paired = zip(*lists, strict=True)
    first, second = padded(pairs, 0).unbind(-1)  # B×P
    return Pixels(
        image=padded(image, 1.0).to(device),
        normals=padded(normal, 0.0).to(device),
        usable=padded(good, 0.0).to(device),
        first=first.to(device),
        second=second.to(device),
        paired=padded(paired, 0.0).to(device),
    )


def padded(arrays: Sequence[NDArray[Any]], value: float) -> Tensor:
    """Arrays N_b×… with `value` appended up to the longest, and up to 1: B×N×…."""
    lists = [torch.from_numpy(array) for array in arrays]
    shortest = lists[0].new_full((1, *lists[0].shape[1:]), value)
    return torch.nn.utils.rnn.pad_sequence(
        [*lists, shortest], batch_first=True, padding_value=value
    )[:-1]


def ends(values: Tensor, pixels: Pixels) -> tuple[Tensor, Tensor]:
    """Values B×N×K at the first and at the second pixel of each pair, each B×P×K."""
    return _take(values, pixels.first), _take(values, pixels.second)


def _take(values: Tensor, index: Tensor) -> Tensor:
    # index_select is several times faster than gather, but knows no batch.
    offsets = torch.arange(len(values), device=values.device)[:, None] * values.shape[1]  # B×1
    taken = values.flatten(0, 1).index_select(0, (index + offsets).flatten())  # BP×K
    return taken.reshape(*index.shape, values.shape[-1])  # B×P×K


def _lists(image: Floating, normals: Floating, mask: Floating, stride: int) -> tuple[Any, ...]:
    where = inside(mask)
    colours = image.reshape(-1, 3)[where].astype(np.float64)  # N×3
    vectors = normals.reshape(-1, 3)[where].astype(np.float64)  # N×3
    good = usable(colours, vectors, mask.reshape(-1)[where])  # N
    pairs = neighbours(where, mask.shape[0], mask.shape[1], stride)
    pairs = pairs[:: 1 + len(pairs) // MOST_PAIRS]  # P×2
    paired = good[pairs[:, 0]] & good[pairs[:, 1]]  # P
    return colours, vectors, good.astype(np.float64), pairs, paired.astype(np.float64)

"""Which photos look alike: the neighbours that stage 1's triplets are drawn from.

Specs: specs/neural_rerendering.md §6 (Gram matrices), §5.4 (what to do without VGG), §12.8–9.
A descriptor is a row of numbers whose squared Euclidean distance to another is the style distance.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import numpy as np
import torch
from numpy.typing import NDArray
from skimage.color import rgb2lab
from torch import Tensor

from bench.errors import DataError

from .vgg import Vgg16

CROP = 512
"""Pixels per side of the central crop whose style is told; a smaller photo is taken whole."""

CELLS = 4
"""Per side: without VGG, a photo's style is the mean and the deviation of Lab in 4×4 cells."""

NEAREST, FARTHEST = 5, 13
"""So many candidates for a positive and for a negative."""

Descriptors = NDArray[np.float32]


def gram_descriptors(photos: Tensor, vgg: Vgg16) -> Descriptors:
    """B×3×h×w in −1…1, sRGB-encoded → B×305,888, so that ‖a − b‖² = Σ over VGG's layers of
    mean (Ga − Gb)², with G = F Fᵀ / (C·h·w).

    A Gram matrix is symmetric: its upper triangle is kept, what is off the diagonal times √2.
    """
    with torch.inference_mode():
        return torch.cat([_upper(f) for f in vgg(_centre(photos))], dim=1).cpu().numpy()


def _upper(features: Tensor) -> Tensor:
    """B×c×h×w → B×c(c+1)/2: the Gram matrix over C, for a mean over its C² entries."""
    flat = features.float().flatten(2)  # B×c×hw
    channels = flat.shape[1]
    gram = flat @ flat.transpose(1, 2) / (flat[0].numel() * channels)  # B×c×c
    gram = gram * (2**0.5 - (2**0.5 - 1) * torch.eye(channels, device=gram.device))
    row, column = torch.triu_indices(channels, channels, device=gram.device)
    return gram[:, row, column]  # B×c(c+1)/2


def lab_descriptors(photos: Tensor) -> Descriptors:
    """B×3×h×w in −1…1, sRGB-encoded → B×96: mean and standard deviation of L, a and b, ÷ 100, in
    4×4 cells of the centre crop.

    Stands in for `gram_descriptors` where VGG's weights are absent; a run says so.
    """
    shown = (_centre(photos).permute(0, 2, 3, 1).cpu().numpy() + 1) / 2  # B×h×w×3
    lab = rgb2lab(shown.clip(0, 1)) / 100  # B×h×w×3
    cells = [
        cell for rows in np.array_split(lab, CELLS, 1) for cell in np.array_split(rows, CELLS, 2)
    ]
    told = np.array([(cell.mean((1, 2)), cell.std((1, 2))) for cell in cells])  # 16×2×B×3
    return told.transpose(2, 0, 1, 3).reshape(len(lab), -1).astype(np.float32)  # B×96


def _centre(photos: Tensor) -> Tensor:
    top, left = (max(side - CROP, 0) // 2 for side in photos.shape[2:])
    return photos[:, :, top : top + CROP, left : left + CROP]


def distances(
    descriptors: Iterable[Descriptors], block: int = 16_384, folder: Path | None = None
) -> NDArray[np.float32]:
    """Squared Euclidean distances N×N of N descriptors that come as rows, B×D at a time.

    The rows go to a scratch file, and columns of it are read back: memory holds `working_bytes`,
    0.3 GB for 3,000 photos whose 305,888 numbers each take 3.7 GB of disk.

    Args:
        descriptors: rows of every photo, in order; float32.
        block: numbers of each descriptor held at once.
        folder: where the scratch file lies, which is gone afterwards; the system's own if None.

    Raises:
        DataError: a descriptor is not finite, or there is none.
    """
    with tempfile.TemporaryFile(dir=folder) as file:
        count, width = _write(descriptors, file)
        products = np.zeros((count, count))
        for start in range(0, width, block):
            columns = _columns(file, count, width, range(start, min(start + block, width)))
            columns -= columns.mean(0)  # no distance changes, and rounding loses less of it
            products += columns @ columns.T
    squares = products.diagonal().copy()  # N
    products *= -2
    products += squares
    products += squares[:, None]
    return products.clip(0, out=products).astype(np.float32)


def working_bytes(count: int, block: int) -> int:
    """What `distances` holds at once: a block of columns, products and a matrix beside them."""
    return count * (4 * block + 8 * count + 4 * count)


def _write(descriptors: Iterable[Descriptors], file: IO[bytes]) -> tuple[int, int]:
    count, width = 0, 0
    for rows in descriptors:
        bad = ~np.isfinite(rows).all(1)
        if bad.any():
            raise DataError(f"photo {count + int(bad.argmax())}: its style is not finite")
        file.write(np.ascontiguousarray(rows, np.float32).data)
        count, width = count + len(rows), rows.shape[1]
    if not count:
        raise DataError("no photo to tell the style of")
    return count, width


def _columns(file: IO[bytes], count: int, width: int, columns: range) -> Descriptors:
    held = np.empty((count, len(columns)), np.float32)
    for row, numbers in enumerate(held):
        file.seek(4 * (row * width + columns.start))
        numbers[:] = np.frombuffer(file.read(numbers.nbytes), np.float32)
    return held


@dataclass(frozen=True, eq=False)
class Neighbours:
    """Candidates of each photo, never the photo itself.

    Attributes:
        positives: N×k indices of the nearest, nearest first.
        negatives: N×m indices of the farthest, farthest last.
    """

    positives: NDArray[np.int64]
    negatives: NDArray[np.int64]

    @property
    def clamped(self) -> bool:
        """Whether there were too few photos (under 27) for 5 positives and 13 negatives."""
        return (self.positives.shape[1], self.negatives.shape[1]) != (NEAREST, FARTHEST)


def neighbours(matrix: NDArray[np.float32]) -> Neighbours:
    """Candidates from distances N×N: the 5 nearest and the 13 farthest, fewer of few photos.

    Of N < 27 photos ⌊(N − 1) / 2⌋ are far; what is far is never near. Ties: lower index first.

    Raises:
        DataError: N < 3: a triplet needs three photos.
    """
    count = len(matrix)
    if count < 3:
        raise DataError(f"{count} photos: a triplet needs three, of which two look alike")
    far = min(FARTHEST, max(1, (count - 1) // 2))
    near = min(NEAREST, count - 1 - far)
    others = matrix.astype(np.float64)
    np.fill_diagonal(others, -1)  # even where another photo is identical, the anchor comes first
    order = others.argsort(1, kind="stable")  # N×N
    return Neighbours(order[:, 1 : 1 + near], order[:, count - far :])

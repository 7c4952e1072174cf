"""Other backgrounds for training pictures, so that a network cannot rely on the rendered one."""

from __future__ import annotations

from typing import Any, Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from bench.graphics.colour import gamma_decode, gamma_encode

Float32 = NDArray[np.float32]
Backgrounds = Literal["as-is", "random"]

_SHARES = {"kept": 0.3, "white": 0.2, "plain": 0.25, "clouds": 0.25}


def drawn_background(
    image: NDArray[np.floating[Any]],
    mask: NDArray[np.floating[Any]],
    over_black: bool,
    rng: np.random.Generator,
) -> Float32:
    """A tone-mapped image S×S×3 before a drawn background: its own, white, one colour, or clouds.

    Over black the background is added where the soft mask S×S×1 leaves room, which is exact; else
    the two are mixed.
    """
    kind = str(rng.choice(list(_SHARES), p=list(_SHARES.values())))
    if kind == "kept":
        return image.astype(np.float32)
    behind = gamma_decode(_background(kind, image.shape[0], rng))
    seen = gamma_decode(image) if over_black else gamma_decode(image) * mask
    mixed = np.clip(seen + (1 - mask) * behind, 0, 1)
    return np.asarray(gamma_encode(mixed), np.float32)


def _background(kind: str, size: int, rng: np.random.Generator) -> Float32:
    if kind == "white":
        return np.ones((size, size, 3), np.float32)
    colour = rng.random(3).astype(np.float32)
    if kind == "plain":
        return np.broadcast_to(colour, (size, size, 3))
    total = np.broadcast_to(colour, (size, size, 3)).copy()
    for cells in (2, 5, 12):
        lattice = rng.normal(0, 0.5 / np.sqrt(cells), (cells, cells, 3)).astype(np.float32)
        total += cv2.resize(lattice, (size, size), interpolation=cv2.INTER_CUBIC)
    return np.clip(total, 0, 1)

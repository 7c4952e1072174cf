"""The loops of `kernel` on the CPU, a part of the cloud and of the picture per thread."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch
from numpy.typing import NDArray

from bench.graphics.splatting import kernel

Float32 = NDArray[np.float32]
Float64 = NDArray[np.float64]
Int64 = NDArray[np.int64]

FEW = 100_000
"""Points below which a second thread costs more than it saves."""


def splat(
    points: Float64, matrix: Float64, centre: Float64, size: tuple[int, int], offsets: Int64
) -> tuple[Int64, Float32]:
    """Index H×W (−1 where none) and depth H×W (0 where none) of world points N×3.

    A pixel is matrix 3×3 · (point − centre 3), divided by its third part, which is the depth.
    """
    points = np.ascontiguousarray(points, np.float64)

    def enter(start: int, stop: int, keys: Int64) -> None:
        kernel.project(points, matrix, centre, start, stop, keys)

    return _drawn(enter, len(points), size, offsets)


def splat_pixels(
    pixels: Float64, depth: Float64, size: tuple[int, int], offsets: Int64
) -> tuple[Int64, Float32]:
    """As `splat`, of points that are projected: pixels N×2 and depth N."""

    def enter(start: int, stop: int, keys: Int64) -> None:
        kernel.place(pixels, depth, start, stop, keys)

    return _drawn(enter, len(pixels), size, offsets)


def gathered(values: Float32, index: Int64) -> Float32:
    """The rows of values N×C that index H×W names, 0 where it is −1: H×W×C float32."""
    picture = np.zeros((*index.shape, values.shape[1]), np.float32)  # H×W×C
    kernel.gather(np.ascontiguousarray(values, np.float32), index, picture)
    return picture


def _drawn(
    enter: Callable[[int, int, Int64], None], count: int, size: tuple[int, int], offsets: Int64
) -> tuple[Int64, Float32]:
    parts = 1 if count < FEW else torch.get_num_threads()
    keys = np.full((parts, *size), kernel.EMPTY)  # T×H×W
    index, depth = np.full(size, -1), np.zeros(size, np.float32)  # H×W each

    def points(part: int) -> None:
        enter(count * part // parts, count * (part + 1) // parts, keys[part])

    def rows(part: int) -> None:
        start, stop = size[0] * part // parts, size[0] * (part + 1) // parts
        kernel.spread(keys, offsets, start, stop, index, depth)

    for work in (points, rows):
        _each(work, parts)
    return index, depth


def _each(work: Callable[[int], None], parts: int) -> None:
    """Calls `work` for 0 to parts − 1, each in a thread; raises what they raise."""
    if parts == 1:
        work(0)
        return
    with ThreadPoolExecutor(max_workers=parts) as pool:
        list(pool.map(work, range(parts)))

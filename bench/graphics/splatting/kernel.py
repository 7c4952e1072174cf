"""Loops over points and pixels, compiled for the CPU by numba.

Loaded on first use: numba takes half a second to import. A *key* holds the bits of a positive
float32 depth above the 32 bits of a row of the cloud, so that the smaller of two keys is the nearer
point and, at one depth, the earlier. The loops run without Python's lock, so that parts of a cloud
can go to several threads.
"""

from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

Float64 = NDArray[np.float64]
Int64 = NDArray[np.int64]

EMPTY = np.iinfo(np.int64).max
NEAR, FAR = 1e-6, 1e30
"""Depths between which a point is seen, both excluded; beyond FAR a float32 ends."""


def _enter(u: float, v: float, z: float, index: int, keys: Int64) -> None:
    """Lets one point into the pixel that it falls into; every comparison with NaN is false."""
    height, width = keys.shape
    if not (z > NEAR and z < FAR and u >= 0 and u < width and v >= 0 and v < height):
        return
    key = np.int64(np.float32(z).view(np.int32)) << 32 | index
    row, column = int(v), int(u)
    if key < keys[row, column]:
        keys[row, column] = key


def _project(
    points: Float64, matrix: Float64, centre: Float64, start: int, stop: int, keys: Int64
) -> None:
    """Lets rows `start` to `stop` of world points N×3 into keys H×W; matrix 3×3, centre 3."""
    m00, m01, m02 = matrix[0]
    m10, m11, m12 = matrix[1]
    m20, m21, m22 = matrix[2]
    c0, c1, c2 = centre
    for index in range(start, stop):
        x, y, z = points[index, 0] - c0, points[index, 1] - c1, points[index, 2] - c2
        depth = (m20 * x + m21 * y) + m22 * z
        u = ((m00 * x + m01 * y) + m02 * z) / depth
        v = ((m10 * x + m11 * y) + m12 * z) / depth
        enter(u, v, depth, index, keys)


def _place(pixels: Float64, depth: Float64, start: int, stop: int, keys: Int64) -> None:
    """Lets rows `start` to `stop` of projected points, N×2 and N, into keys H×W."""
    for index in range(start, stop):
        enter(pixels[index, 0], pixels[index, 1], depth[index], index, keys)


def _spread(
    keys: Int64, offsets: Int64, start: int, stop: int, index: Int64, depth: NDArray[np.float32]
) -> None:
    """Fills rows `start` to `stop` of index and depth H×W with the least key that covers a pixel.

    keys T×H×W are those of T parts of the cloud; offsets K×2 lead from a point to what it covers.
    """
    parts, height, width = keys.shape
    for row in range(start, stop):
        for column in range(width):
            least = EMPTY
            for step in range(offsets.shape[0]):
                y, x = row - offsets[step, 0], column - offsets[step, 1]
                if y >= 0 and y < height and x >= 0 and x < width:
                    for part in range(parts):
                        least = min(least, keys[part, y, x])
            if least < EMPTY:
                index[row, column] = least & 0xFFFFFFFF
                depth[row, column] = np.int32(least >> 32).view(np.float32)


def _gather(values: NDArray[np.float32], index: Int64, picture: NDArray[np.float32]) -> None:
    """Fills picture H×W×C (given as 0) with the rows of values N×C that index H×W names."""
    height, width = index.shape
    for row in range(height):
        for column in range(width):
            source = index[row, column]
            if source >= 0:
                for channel in range(values.shape[1]):
                    picture[row, column, channel] = values[source, channel]


compiled: Any = numba.njit(nogil=True, cache=True, error_model="numpy")
enter = compiled(_enter)
project = compiled(_project)
place = compiled(_place)
spread = compiled(_spread)
gather = compiled(_gather)

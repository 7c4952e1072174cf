"""Loops over the pixels of one image, compiled for the CPU by numba.

Loaded on first use: numba takes half a second to import. The loops run without Python's lock, so
that the images of a batch can go to several threads (`threads`).
"""

from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

Float64 = NDArray[np.float64]

STEEP = 1e-6
"""Edges closer to horizontal do not narrow a row's range, so that SLACK exceeds their rounding."""

SLACK = 1e-3
"""Pixels."""


def _edges(
    points: Float64, first: int, second: int, third: int
) -> tuple[float, float, float, float, float, float, float, float, float, float]:
    """Coefficients (a, b, c) of the edge functions a·x + b·y + c opposite each corner, and area.

    Swapping an edge's ends negates its coefficients exactly, so that a point between two triangles
    that share the edge is inside at least one of them, whatever the rounding.
    """
    x0, y0 = points[first, 0], points[first, 1]
    x1, y1 = points[second, 0], points[second, 1]
    x2, y2 = points[third, 0], points[third, 1]
    area = (x1 - x0) * (y2 - y0) - (y1 - y0) * (x2 - x0)
    sign = 1.0 if area > 0 else -1.0
    return (
        sign * (y1 - y2),
        sign * (x2 - x1),
        sign * (x1 * y2 - x2 * y1),
        sign * (y2 - y0),
        sign * (x0 - x2),
        sign * (x2 * y0 - x0 * y2),
        sign * (y0 - y1),
        sign * (x1 - x0),
        sign * (x0 * y1 - x1 * y0),
        area,
    )


def _span(low: float, high: float, size: int) -> tuple[int, int]:
    """The range of pixels whose centres lie within [low, high], cut to the picture."""
    first = np.ceil(max(low, 0.0) - 0.5)
    last = np.floor(min(high, float(size)) - 0.5)
    return int(max(first, 0.0)), int(min(last, size - 1.0)) + 1


def _narrow(low: float, high: float, slope: float, rest: float) -> tuple[float, float]:
    """The part of [low, high] where slope·x + rest ≥ 0, widened against rounding."""
    if slope > STEEP:
        return max(low, -rest / slope - SLACK), high
    if slope < -STEEP:
        return low, min(high, -rest / slope + SLACK)
    return low, high


def _nearest(
    points: Float64,
    faces: NDArray[np.int64],
    cull: bool,
    near: float,
    far: float,
    face: NDArray[np.int64],
    inverse: Float64,
) -> None:
    """Writes the nearest face and its 1/z per pixel; of two at the same depth the first stays."""
    height, width = face.shape
    for index in range(faces.shape[0]):
        first, second, third = faces[index, 0], faces[index, 1], faces[index, 2]
        z0, z1, z2 = points[first, 2], points[second, 2], points[third, 2]
        if not (z0 > 0 and z1 > 0 and z2 > 0):
            continue
        a0, b0, c0, a1, b1, c1, a2, b2, c2, area = edges(points, first, second, third)
        if area == 0 or (cull and area > 0):
            continue
        x0, x1, x2 = points[first, 0], points[second, 0], points[third, 0]
        y0, y1, y2 = points[first, 1], points[second, 1], points[third, 1]
        top, bottom = span(min(y0, y1, y2), max(y0, y1, y2), height)
        # 1/z is affine in the pixel
        scale0, scale1, scale2 = 1 / (z0 * abs(area)), 1 / (z1 * abs(area)), 1 / (z2 * abs(area))
        for row in range(top, bottom):
            y = row + 0.5
            low, high = narrow(min(x0, x1, x2), max(x0, x1, x2), a0, b0 * y + c0)
            low, high = narrow(low, high, a1, b1 * y + c1)
            low, high = narrow(low, high, a2, b2 * y + c2)
            left, right = span(low, high, width)
            for column in range(left, right):
                x = column + 0.5
                e0 = (a0 * x + b0 * y) + c0
                e1 = (a1 * x + b1 * y) + c1
                e2 = (a2 * x + b2 * y) + c2
                if e0 >= 0 and e1 >= 0 and e2 >= 0:
                    value = e0 * scale0 + e1 * scale1 + e2 * scale2
                    if value > inverse[row, column] and near * value < 1 and far * value > 1:
                        inverse[row, column] = value
                        face[row, column] = index


def _weigh(
    points: Float64,
    faces: NDArray[np.int64],
    face: NDArray[np.int64],
    inverse: Float64,
    weights: NDArray[np.float32],
    depth: NDArray[np.float32],
) -> None:
    """Writes the perspective-correct weights and z of the faces that won."""
    height, width = face.shape
    for row in range(height):
        y = row + 0.5
        for column in range(width):
            index = face[row, column]
            if index < 0:
                continue
            x = column + 0.5
            first, second, third = faces[index, 0], faces[index, 1], faces[index, 2]
            a0, b0, c0, a1, b1, c1, a2, b2, c2, _ = edges(points, first, second, third)
            w0 = ((a0 * x + b0 * y) + c0) / points[first, 2]
            w1 = ((a1 * x + b1 * y) + c1) / points[second, 2]
            w2 = ((a2 * x + b2 * y) + c2) / points[third, 2]
            total = w0 + w1 + w2
            weights[row, column, 0] = w0 / total
            weights[row, column, 1] = w1 / total
            weights[row, column, 2] = w2 / total
            depth[row, column] = 1 / inverse[row, column]


def _draw(
    points: Float64,
    faces: NDArray[np.int64],
    cull: bool,
    near: float,
    far: float,
    face: NDArray[np.int64],
    weights: NDArray[np.float32],
    depth: NDArray[np.float32],
) -> None:
    """One image. points V×3 float64: supersampled pixels x, y and z; faces F×3.

    Fills face H'×W' (given as -1), weights H'×W'×3 and depth H'×W' (given as 0).
    """
    inverse = np.zeros(face.shape)
    nearest(points, faces, cull, near, far, face, inverse)
    weigh(points, faces, face, inverse, weights, depth)


def _blend(
    face: NDArray[np.int64],
    weights: NDArray[np.float32],
    corners: NDArray[np.float32],
    image: NDArray[np.float32],
) -> None:
    """Fills image H'×W'×C (given as 0) with corners F×3×C blended by weights H'×W'×3."""
    height, width = face.shape
    for row in range(height):
        for column in range(width):
            index = face[row, column]
            if index < 0:
                continue
            w0, w1, w2 = weights[row, column]
            for channel in range(corners.shape[2]):
                image[row, column, channel] = (
                    w0 * corners[index, 0, channel]
                    + w1 * corners[index, 1, channel]
                    + w2 * corners[index, 2, channel]
                )


compiled: Any = numba.njit(nogil=True, cache=True, error_model="numpy")
edges = compiled(_edges)
span = compiled(_span)
narrow = compiled(_narrow)
nearest = compiled(_nearest)
weigh = compiled(_weigh)
draw = compiled(_draw)
blend = compiled(_blend)

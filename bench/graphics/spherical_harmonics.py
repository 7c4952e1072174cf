"""Real orthonormal spherical harmonics to order 4, for NumPy arrays and torch tensors alike.

Columns run 00, 1−1, 10, 11, 2−2, …, 44 (l² + l + m); z is the polar axis, m > 0 goes with cos(mφ),
m < 0 with sin(|m|φ), and there is no Condon-Shortley sign (specs/inverse_shading.md §1.1).
Torch gradients flow through every function that takes a tensor.
"""

from collections.abc import Callable
from functools import cache
from math import isqrt, pi, sqrt
from typing import Any, TypeVar

import numpy as np
from array_api_compat import array_namespace, device
from numpy.typing import NDArray

from bench.graphics.environments import directions, solid_angles

Array = TypeVar("Array")

MAX_ORDER = 4

CLAMPED_COSINE = (pi, 2 * pi / 3, pi / 4, 0.0, -pi / 24)
"""Â_l = 2π ∫₀¹ u P_l(u) du for l = 0…4 (Ramamoorthi and Hanrahan 2001): irradiance per radiance."""


def basis(directions: Array, order: int) -> Array:
    """Y_lm of unit vectors ...×3 up to `order` (0…4), as ...×(order+1)², dtype and device kept.

    Raises ValueError for another order or a last axis that is not 3.
    """
    if not 0 <= order <= MAX_ORDER:
        raise ValueError(f"spherical harmonics go from order 0 to {MAX_ORDER}, not {order}")
    vectors: Any = directions
    if vectors.shape[-1] != 3:
        raise ValueError(f"directions must be ...×3, not {tuple(vectors.shape)}")
    xp = array_namespace(vectors)
    x, y, z = vectors[..., 0], vectors[..., 1], vectors[..., 2]  # each ...
    columns = [column for degree in _DEGREES[: order + 1] for column in degree(x, y, z)]
    result: Array = xp.stack(columns, axis=-1)  # ...×(order+1)²
    return result


def evaluate(coefficients: Array, directions: Array) -> Array:
    """Σ c_lm Y_lm(ω): coefficients (L+1)²×C at unit vectors ...×3, as ...×C."""
    rows: Any = coefficients
    vectors: Any = directions
    xp = array_namespace(vectors, rows)
    result: Array = basis(vectors, order_of(rows)) @ xp.astype(rows, vectors.dtype)  # ...×C
    return result


def irradiance_coefficients(light_sh: Array) -> Array:
    """Irradiance coefficients Â_l L_lm of radiance coefficients (L+1)²×C, same shape.

    `evaluate` of them at a normal is the irradiance; divided by π it is the shading.
    """
    light: Any = light_sh
    xp = array_namespace(light)
    degrees = range(order_of(light) + 1)
    factors = [CLAMPED_COSINE[degree] for degree in degrees for _ in range(2 * degree + 1)]
    weights = xp.asarray(factors, dtype=light.dtype, device=device(light))
    result: Array = weights[:, None] * light  # (L+1)²×C
    return result


def shade(normals: Array, light_sh: Array) -> Array:
    """Shading (1/π) Σ Â_l L_lm Y_lm(n) of unit normals ...×3 under radiance (L+1)²×C, as ...×C.

    Normals and light share one frame. May dip below zero, for the truncated series rings; an
    unknown (zero) normal gets no meaningful value, so mask it.
    """
    coefficients: Any = irradiance_coefficients(light_sh)
    result: Array = evaluate(coefficients / pi, normals)
    return result


def project_environment(radiance: Array, order: int) -> Array:
    """Radiance coefficients L_lm = ∫ L Y_lm dω of an environment H×W×C, as (order+1)²×C.

    The integral is the sum over pixels with their exact solid angles and Y at their centres; the
    coefficients are in the frame of the environment.
    """
    pixels: Any = radiance
    height, width, channels = pixels.shape
    xp = array_namespace(pixels)
    weighted = basis(directions(height, width), order) * solid_angles(height, width)[..., None]
    flat = weighted.reshape(height * width, -1)  # HW×(order+1)²
    weights = xp.asarray(flat, dtype=pixels.dtype, device=device(pixels))
    result: Array = weights.T @ xp.reshape(pixels, (-1, channels))  # (order+1)²×C
    return result


def rotation_matrix(rotation: Array, order: int) -> Array:
    """S, (order+1)²×(order+1)², for a rotation R 3×3: f'(ω) = f(Rᵀ ω) has coefficients S c.

    Equivalently S Y(ω) = Y(R ω). Exact but for rounding (specs/inverse_shading.md §1.3).
    """
    turn: Any = rotation
    xp = array_namespace(turn)
    points, inverse = _rotation_design(order)
    like = {"dtype": turn.dtype, "device": device(turn)}
    rotated = basis(xp.asarray(points, **like) @ turn, order)  # 64×(order+1)²: rows Rᵀ d
    result: Array = xp.asarray(inverse, **like) @ rotated
    return result


def order_of(coefficients: Any) -> int:
    """The order L of (L+1)²×… coefficients; ValueError if the first axis is no such square."""
    rows = coefficients.shape[0]
    order = isqrt(rows) - 1
    if (order + 1) ** 2 != rows or not 0 <= order <= MAX_ORDER:
        raise ValueError(f"{rows} rows of coefficients: expected 1, 4, 9, 16 or 25")
    return order


def fibonacci_directions(count: int) -> NDArray[np.float64]:
    """`count` unit vectors spread evenly over the sphere, count×3, in a spiral from +z."""
    index = np.arange(count) + 0.5
    z = 1 - 2 * index / count
    azimuth = pi * (1 + sqrt(5)) * index
    radius = np.sqrt(1 - z**2)
    return np.stack([radius * np.cos(azimuth), radius * np.sin(azimuth), z], axis=-1)  # count×3


@cache
def _rotation_design(order: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    points = fibonacci_directions(64)  # 64×3
    inverse = np.linalg.pinv(basis(points, order))  # (order+1)²×64
    return points, np.asarray(inverse, np.float64)


def _degree_0(x: Any, y: Any, z: Any) -> tuple[Any, ...]:
    # x·0 + constant, rather than ones_like, so that integer input is promoted like the rest.
    return (0.0 * x + sqrt(1 / (4 * pi)),)


def _degree_1(x: Any, y: Any, z: Any) -> tuple[Any, ...]:
    k = sqrt(3 / (4 * pi))
    return k * y, k * z, k * x


def _degree_2(x: Any, y: Any, z: Any) -> tuple[Any, ...]:
    k = sqrt(15 / (4 * pi))
    return (
        k * x * y,
        k * y * z,
        sqrt(5 / (16 * pi)) * (3 * z * z - 1),
        k * x * z,
        k / 2 * (x * x - y * y),
    )


def _degree_3(x: Any, y: Any, z: Any) -> tuple[Any, ...]:
    k1, k2, k3 = sqrt(21 / (32 * pi)), sqrt(105 / (4 * pi)), sqrt(35 / (32 * pi))
    return (
        k3 * y * (3 * x * x - y * y),
        k2 * x * y * z,
        k1 * y * (5 * z * z - 1),
        sqrt(7 / (16 * pi)) * z * (5 * z * z - 3),
        k1 * x * (5 * z * z - 1),
        k2 / 2 * z * (x * x - y * y),
        k3 * x * (x * x - 3 * y * y),
    )


def _degree_4(x: Any, y: Any, z: Any) -> tuple[Any, ...]:
    k1, k2 = sqrt(45 / (32 * pi)), sqrt(45 / (16 * pi))
    k3, k4 = sqrt(315 / (32 * pi)), sqrt(315 / (16 * pi))
    zz = z * z
    return (
        k4 * x * y * (x * x - y * y),
        k3 * y * z * (3 * x * x - y * y),
        k2 * x * y * (7 * zz - 1),
        k1 * y * z * (7 * zz - 3),
        3 / 16 * sqrt(1 / pi) * (35 * zz * zz - 30 * zz + 3),
        k1 * x * z * (7 * zz - 3),
        k2 / 2 * (x * x - y * y) * (7 * zz - 1),
        k3 * x * z * (x * x - 3 * y * y),
        k4 / 4 * (x * x * x * x - 6 * x * x * y * y + y * y * y * y),
    )


_DEGREES: tuple[Callable[[Any, Any, Any], tuple[Any, ...]], ...] = (
    _degree_0,
    _degree_1,
    _degree_2,
    _degree_3,
    _degree_4,
)

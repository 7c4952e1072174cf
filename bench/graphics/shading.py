"""Lambertian and microfacet shading under a latitude-longitude environment, without occlusion.

Directions and environment share one frame; everything is linear. The integrals are sums over the
environment's pixels, chunked so that memory stays bounded.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.graphics.environments import CHUNK_BYTES, directions, irradiance, solid_angles

Floating = NDArray[np.floating[Any]]


def lambertian(normals: Floating, radiance: Floating) -> Floating:
    """Shading (irradiance ÷ π) at unit normals ...×3 under an environment H×W×C, as ...×C.

    Times albedo it is the reflected radiance. Unknown (zero) normals get 0.
    """
    return irradiance(radiance, normals) / np.asarray(np.pi, normals.dtype)


def microfacet(
    normals: Floating, view: Floating, roughness: Floating, specular: Floating, radiance: Floating
) -> Floating:
    """Specular radiance ∫ f L max(n·l, 0) dω of a GGX surface under an environment, as ...×3.

    f = D G F / (4 (n·l)(n·v)): D is GGX with α = roughness², G the separable Smith term of both
    directions (Walter et al. 2007), F Schlick's with F0 = `specular`. Single scattering only.

    The sum over pixels needs a lobe wider than a pixel: at 64×128, roughness from about 0.3.

    Args:
        normals: unit vectors ...×3; where zero, or facing away from the viewer, the result is 0.
        view: unit vectors ...×3 toward the viewer.
        roughness: ...×1 in (0, 1].
        specular: F0, ...×1 or ...×3.
        radiance: H×W×3.

    Raises:
        ValueError: roughness outside (0, 1]; where it is unknown, leave the pixel out.
    """
    if not (roughness.min() > 0 and roughness.max() <= 1):
        raise ValueError(f"roughness [{roughness.min()}, {roughness.max()}] leaves (0, 1]")
    height, width, _ = radiance.shape
    dtype = normals.dtype
    lights = directions(height, width).reshape(-1, 3).T.astype(dtype)  # 3×HW
    power = (radiance * solid_angles(height, width)[..., None]).reshape(-1, 3).astype(dtype)
    shape = normals.shape[:-1]
    flat = [
        np.broadcast_to(array, (*shape, array.shape[-1])).reshape(-1, array.shape[-1])
        for array in (normals, view, roughness, specular)
    ]  # N×3, N×3, N×1, N×1 or N×3
    result = np.empty((len(flat[0]), 3), dtype)
    step = max(1, CHUNK_BYTES // (8 * lights.shape[1] * dtype.itemsize))
    for start in range(0, len(result), step):
        n, v, r, f0 = (array[start : start + step].astype(dtype) for array in flat)
        result[start : start + step] = _specular_sum(n, v, r, f0, lights, power)
    return result.reshape(*shape, 3)


def _specular_sum(
    normals: Floating,
    view: Floating,
    roughness: Floating,
    specular: Floating,
    lights: Floating,
    power: Floating,
) -> Floating:
    facing = np.sum(normals * view, axis=-1, keepdims=True)  # N×1, n·v
    cosines = np.maximum(normals @ lights, 0)  # N×M, n·l
    # |l + v|² = 2 + 2 l·v gives n·h and v·h without forming the half vectors.
    half = np.sqrt(np.maximum(0.5 + 0.5 * (view @ lights), 1e-12))  # N×M, v·h = |l + v| / 2
    normal_half = np.minimum((cosines + facing) / (2 * half), 1)  # N×M, n·h
    squared = roughness**4  # N×1, α²
    # D G (n·l) / (4 (n·l)(n·v)), with G₁ = 2 cosθ × _smith for either direction.
    weight = _ggx(normal_half, squared) * cosines * _smith(cosines, squared)  # N×M
    weight *= np.where(facing > 0, _smith(facing, squared), 0)
    grazing = (weight * (1 - half) ** 5) @ power  # N×3
    result: Floating = specular * (weight @ power - grazing) + grazing
    return result


def _ggx(normal_half: Floating, squared: Floating) -> Floating:
    return squared / (np.pi * ((squared - 1) * normal_half**2 + 1) ** 2)


def _smith(cosine: Floating, squared: Floating) -> Floating:
    return 1 / (cosine + np.sqrt(squared + (1 - squared) * cosine**2))

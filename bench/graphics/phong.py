"""Phong shading of surface points under distant white light (specs/vase_derenderer.md §3.5–3.7).

An environment here is h×w (elevation × azimuth) of one channel, in the camera's OpenCV axes (x
right, y down, z forward): elevation e = ((k+½)/h·2−1)·π/2, azimuth a = ((l+½)/w·2−1)·π, direction
(cos e cos a, sin e, cos e sin a). Row 0 is light from above; columns 0…w/2 come from the side of a
camera that looks along +z. Arrays are torch tensors of one dtype and device, batch first.

Lights × points never meet a third axis: a cosine is one product N×3 by 3×K, taken in chunks, and
the backward pass takes it again instead of keeping it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

TONE_GAMMA = 2.2
TONE_FLOOR = 1e-7
COSINE_FLOOR = 1e-7
CAMERA = (0.0, 0.0, -5.0)
"""Where the camera stands in the object frame."""

# A chunk of cosines that stays in the processor's cache; a GPU wants few launches instead.
_CHUNK = {"cpu": 2**17, "cuda": 2**26}


def encode(linear: Tensor) -> Tensor:
    """Tone map max(x, 1e-7)^(1/2.2), any shape; not clamped above."""
    return linear.clamp(min=TONE_FLOOR) ** (1 / TONE_GAMMA)


def decode(encoded: Tensor) -> Tensor:
    """The inverse of `encode`, max(x, 1e-7)^2.2, any shape."""
    return encoded.clamp(min=TONE_FLOOR) ** TONE_GAMMA


def light_directions(
    rows: int,
    columns: int,
    dtype: torch.dtype = torch.float32,
    device: str | torch.device = "cpu",
) -> Tensor:
    """Unit vectors K×3 towards the cells of an environment rows×columns, row by row."""
    elevation, azimuth = _elevation(rows)[:, None], _angles(columns)[None] * math.pi
    x, z = elevation.cos() * azimuth.cos(), elevation.cos() * azimuth.sin()  # rows×columns
    vectors = torch.stack([x, elevation.sin().expand_as(x), z], -1)  # rows×columns×3
    return vectors.reshape(-1, 3).to(dtype=dtype, device=device)  # K×3


def intensities(environment: Tensor) -> Tensor:
    """Light of each cell, E·cos(e)·50/(rows·columns), B×K of an environment B×rows×columns."""
    rows, columns = environment.shape[-2:]
    weights = _elevation(rows).cos() * (50 / (rows * columns))  # rows
    return (environment * weights.to(environment)[:, None]).flatten(-2)  # B×K


def diffuse(normals: Tensor, environment: Tensor) -> Tensor:
    """D = Σ I·clamp(N·ℓ, 0, 1), as B×…, at *outward* normals B×…×3 under environments B×h×w.

    Without 1/π: the reflected light is albedo × D. Any subset of points may be asked for.
    """
    lights = _lights(environment)
    power = intensities(environment)[..., None]  # B×K×1
    shaded = diffuse_by_lights(normals.flatten(1, -2), lights, power)  # B×N×1
    return shaded.reshape(normals.shape[:-1])  # B×…


def specular(
    centres: Tensor,
    normals: Tensor,
    environment: Tensor,
    shininess: Tensor,
    camera: Sequence[float] | Tensor = CAMERA,
) -> Tensor:
    """S = Σ (α+1)/(2π)·I·max(s, 1e-7)^α, as B×…; s = max(V·r, 0) where N·ℓ > 0, else 0.

    r is the light mirrored about N and V points to the camera.

    Args:
        centres: points B×…×3, object frame.
        normals: *outward* B×…×3.
        environment: B×h×w.
        shininess: α, B.
        camera: its position in the object frame, 3 or B×3.
    """
    lights = _lights(environment)
    reflected = reflections(centres, normals, camera).flatten(1, -2)  # B×N×3
    power = intensities(environment)[..., None]  # B×K×1
    shaded = specular_by_lights(normals.flatten(1, -2), reflected, lights, power, shininess)
    return shaded.reshape(normals.shape[:-1])  # B×…


def reflections(
    centres: Tensor, normals: Tensor, camera: Sequence[float] | Tensor = CAMERA
) -> Tensor:
    """The view direction mirrored about the normal, R = 2(N·V)N − V, B×…×3; R·ℓ is V·r."""
    position = torch.as_tensor(camera, dtype=centres.dtype, device=centres.device)
    if position.ndim == 2:
        position = position.reshape(-1, *[1] * (centres.ndim - 2), 3)  # B×…×3
    view = position - centres  # B×…×3
    view = view / (view.norm(dim=-1, keepdim=True) + 1e-7)
    mirrored: Tensor = 2 * (normals * view).sum(-1, keepdim=True) * normals - view
    return mirrored


def diffuse_by_lights(normals: Tensor, lights: Tensor, power: Tensor) -> Tensor:
    """Σ power·clamp(N·ℓ, 0, 1), B×N×C, at normals B×N×3 under K×3 lights of power B×K×C."""
    shaded: Tensor = _Diffuse.apply(normals, lights, power)
    return shaded


def specular_by_lights(
    normals: Tensor, reflected: Tensor, lights: Tensor, power: Tensor, shininess: Tensor
) -> Tensor:
    """(α+1)/(2π) Σ power·max(s, 1e-7)^α, B×N×C, s = max(R·ℓ, 0) where N·ℓ > 0, else 0.

    Args:
        normals: outward, B×N×3.
        reflected: R of `reflections`, B×N×3.
        lights: unit vectors K×3.
        power: B×K×C.
        shininess: α, B.
    """
    lobes: Tensor = _Lobes.apply(normals, reflected, lights, power, shininess)  # B×N×C
    scaled: Tensor = lobes * ((shininess + 1) / (2 * math.pi))[:, None, None]
    return scaled


def gaussian_lobes(
    directions: Tensor, sharpness: Tensor, amplitude: Tensor, rows: int = 16, columns: int = 48
) -> Tensor:
    """Environments B×rows×columns, the *mean* over n lobes F·exp(λ(d·ω − 1)) (§3.7).

    Directions are unit vectors B×n×3, λ = `sharpness` and F = `amplitude` B×n.
    """
    cells = light_directions(rows, columns, directions.dtype, directions.device)
    cosines = directions @ cells.T  # B×n×K
    lobes = amplitude[..., None] * torch.exp(sharpness[..., None] * (cosines - 1))  # B×n×K
    return lobes.mean(-2).reshape(-1, rows, columns)  # B×rows×columns


def to_lat_long(environment: Tensor) -> Tensor:
    """Environments …×h×w → white radiance …×h×w×3 of `bench.quantities.Environment`, camera frame.

    A permutation of the columns; `bench.graphics.environments.irradiance` ÷ π of the result is D.
    Radiance is 25/π·E, times (π/2h)/sin(π/2h) for the exact solid angles.

    Raises:
        ValueError: w is not a multiple of four, so no permutation exists.
    """
    rows, columns = environment.shape[-2:]
    radiance = environment[..., _lat_long_columns(columns).to(environment.device)]
    radiance = radiance * _radiance_per_unit(rows)
    return radiance[..., None].expand(*radiance.shape, 3)  # …×h×w×3


def from_lat_long(radiance: Tensor) -> Tensor:
    """The inverse of `to_lat_long`: radiance …×h×w×C → environments …×h×w of the channels' mean.

    Raises:
        ValueError: w is not a multiple of four.
    """
    rows, columns = radiance.shape[-3:-1]
    order = _lat_long_columns(columns).to(radiance.device)  # its own inverse
    return radiance.mean(-1)[..., order] / _radiance_per_unit(rows)  # …×h×w


def roughness_from_shininess(shininess: Tensor) -> Tensor:
    """Perceptual roughness of a Phong exponent α about the mirrored direction, any shape.

    Near the peak that lobe is Blinn's with exponent 4α, and Blinn's n is GGX's roughness⁴ =
    2/(n + 2) (Walter et al. 2007).
    """
    return (2 / (4 * shininess + 2)) ** 0.25


def shininess_from_roughness(roughness: Tensor) -> Tensor:
    """The inverse of `roughness_from_shininess`, for roughness in (0, 1]."""
    return (2 / roughness**4 - 2) / 4


class _Diffuse(torch.autograd.Function):
    """Σ power·clamp(N·ℓ, 0, 1) in chunks of points."""

    @staticmethod
    def forward(ctx: Any, normals: Tensor, lights: Tensor, power: Tensor) -> Tensor:
        ctx.save_for_backward(normals, lights, power)
        shaded = normals.new_empty(*normals.shape[:2], power.shape[-1])  # B×N×C
        for item, part in _chunks(normals, lights):
            cosines = normals[item, part] @ lights.T  # b×n×K
            shaded[item, part] = cosines.clamp_(0, 1) @ power[item]
        return shaded

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, Tensor]:
        normals, lights, power = ctx.saved_tensors
        grad_normals, grad_power = torch.empty_like(normals), torch.zeros_like(power)
        for item, part in _chunks(normals, lights):
            cosines = normals[item, part] @ lights.T  # b×n×K
            weights = grad[item, part] @ power[item].mT  # b×n×K
            weights *= (cosines > 0) & (cosines < 1)
            grad_normals[item, part] = weights @ lights
            grad_power[item] += cosines.clamp_(0, 1).mT @ grad[item, part]  # b×K×C
        return grad_normals, None, grad_power


class _Lobes(torch.autograd.Function):
    """Σ power·max(s, 1e-7)^α in chunks of points; the power is exp(α log s)."""

    @staticmethod
    def forward(
        ctx: Any,
        normals: Tensor,
        reflected: Tensor,
        lights: Tensor,
        power: Tensor,
        shininess: Tensor,
    ) -> Tensor:
        ctx.save_for_backward(normals, reflected, lights, power, shininess)
        exponent = shininess[:, None, None]  # B×1×1
        shaded = normals.new_empty(*normals.shape[:2], power.shape[-1])  # B×N×C
        for item, part in _chunks(normals, lights):
            cosines = _cosines(normals[item, part], reflected[item, part], lights)  # b×n×K
            shaded[item, part] = _exp(cosines.log_().mul_(exponent[item])) @ power[item]
        return shaded

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        normals, reflected, lights, power, shininess = ctx.saved_tensors
        exponent = shininess[:, None, None]  # B×1×1
        grad_reflected, grad_power = torch.empty_like(reflected), torch.zeros_like(power)
        grad_shininess = torch.zeros_like(shininess)
        for item, part in _chunks(normals, lights):
            cosines = _cosines(normals[item, part], reflected[item, part], lights)  # b×n×K
            logarithms = cosines.log()  # b×n×K
            powers = _exp(logarithms * exponent[item])  # b×n×K
            grad_power[item] += powers.mT @ grad[item, part]  # b×K×C
            weights = powers.mul_(grad[item, part] @ power[item].mT)  # b×n×K
            grad_shininess[item] += (weights * logarithms).sum((-2, -1))
            weights = weights.mul_(cosines > COSINE_FLOOR).div_(cosines)
            grad_reflected[item, part] = (weights @ lights) * exponent[item]
        return None, grad_reflected, None, grad_power, grad_shininess


def _cosines(normals: Tensor, reflected: Tensor, lights: Tensor) -> Tensor:
    """max(s, 1e-7), B×n×K."""
    cosines = reflected @ lights.T  # B×n×K
    cosines *= normals @ lights.T > 0
    return cosines.clamp_(min=COSINE_FLOOR)


def _exp(logarithms: Tensor) -> Tensor:
    """exp in place. What would underflow is held at 1e-35, for denormals take ten times as long."""
    return logarithms.clamp_(min=-80).exp_()


def _chunks(points: Tensor, lights: Tensor) -> Iterator[tuple[slice, slice]]:
    """Slices of items and of points, small enough that cosines with all lights fit a chunk."""
    count, size = points.shape[:2]
    room = max(1, _CHUNK.get(points.device.type, _CHUNK["cpu"]) // len(lights))
    items, step = max(1, room // max(1, size)), min(room, max(1, size))
    for first in range(0, count, items):
        for start in range(0, size, step):
            yield slice(first, first + items), slice(start, start + step)


def _lights(environment: Tensor) -> Tensor:
    rows, columns = environment.shape[-2:]
    return light_directions(rows, columns, environment.dtype, environment.device)


def _angles(count: int) -> Tensor:
    """Cell centres over (−1, 1), in double precision."""
    return (torch.arange(count, dtype=torch.float64) + 0.5) / count * 2 - 1


def _elevation(rows: int) -> Tensor:
    return _angles(rows) * (math.pi / 2)


def _lat_long_columns(columns: int) -> Tensor:
    """Which column l here shows what column m there does: φ = π/2 − a, so l = 5w/4 − 1 − m."""
    if columns % 4:
        raise ValueError(f"an environment of {columns} columns: expected a multiple of four")
    return (5 * columns // 4 - 1 - torch.arange(columns)) % columns


def _radiance_per_unit(rows: int) -> float:
    half = math.pi / (2 * rows)
    return 25 / math.pi * half / math.sin(half)

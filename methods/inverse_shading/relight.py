"""The same surface under another light: an environment, or the light of a reference photo."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.ndimage import map_coordinates
from torch import Tensor

from bench.errors import DataError
from bench.graphics.cameras import camera_rotation, project, unproject
from bench.graphics.environments import resample, to_frame
from bench.graphics.shading import lambertian
from bench.graphics.spherical_harmonics import basis, rotation_matrix
from bench.quantities import Camera, Environment

from .models import (
    Observations,
    Robust,
    robust_weights,
    solve_normal,
)

Floating = NDArray[np.floating[Any]]

LIGHT_HEIGHT = 32
"""Rows of the map that is summed exactly; finer ones are averaged down to it first."""

FEWEST = 64
"""With fewer reference pixels of known normal only their mean colour is used."""

TRUST = 0.03
"""How much the old light, brightened to the reference, counts against the reference's pixels."""


@dataclass(frozen=True, eq=False)
class Surface:
    """What relighting keeps of an explained image, at N masked pixels of H×W.

    Attributes:
        where: N flat indices of the pixels.
        size: (H, W).
        normals: N×3, zero where unknown.
        albedo, shading: N×3.
        coefficients: J×3 shading coefficients.
        depth: H×W×1 where it was granted.
        camera: where one is known.
    """

    where: NDArray[np.intp]
    size: tuple[int, int]
    normals: Tensor
    albedo: Tensor
    shading: Tensor
    coefficients: Tensor
    depth: Floating | None = None
    camera: Camera | None = None


def environment_shading(surface: Surface, environment: Environment) -> Tensor:
    """Shading N×3 under an environment, exact clamped cosine, without occlusion.

    Raises `DataError` for an environment in the world frame without a camera.
    """
    if environment.frame != "camera":
        if surface.camera is None:
            raise DataError("environment is in the world frame, and no camera was given to turn it")
        environment = to_frame(environment, "camera", surface.camera)
    radiance = environment.radiance
    if radiance.shape[0] > LIGHT_HEIGHT:
        radiance = resample(radiance, LIGHT_HEIGHT, 2 * LIGHT_HEIGHT)
    shading = lambertian(surface.normals.cpu().numpy().astype(np.float32), radiance)
    return _mean_where_unknown(torch.as_tensor(shading).to(surface.normals), surface)


def shading_by_pixels(surface: Surface, reference: Tensor, seen: Tensor, robust: Robust) -> Tensor:
    """Shading N×3 of the light in which the surface shows `reference` N×3 where `seen` (N) is 1.

    Least squares for the coefficients with the known albedo, drawn towards the old light times the
    ratio of mean colours, so that few or one-sided pixels change the light little.
    """
    known = (surface.normals.abs() > 0.25).any(-1) & (seen > 0)
    gain = _gain(reference, surface.albedo * surface.shading, seen)  # 3
    if int(known.sum()) < FEWEST:
        return surface.shading * gain
    order = round(surface.coefficients.shape[0] ** 0.5) - 1
    weights = known.to(reference)[:, None].expand_as(reference)
    visible = Observations(basis(surface.normals, order), reference, weights)
    start = surface.coefficients * gain  # J×3
    light = _drawn(visible, surface.albedo, start)
    for _ in range(3 if robust != "none" else 0):
        residual = surface.albedo * (visible.design @ light) - reference
        factor = weights * robust_weights(residual, weights, robust)
        light = _drawn(Observations(visible.design, reference, factor), surface.albedo, start)
    shading = torch.maximum(visible.design @ light, 0.05 * surface.shading * gain)
    return _mean_where_unknown(shading, surface)


def colour_by_response(
    surface: Surface, image: Tensor, reference: Tensor, seen: Tensor, robust: Robust
) -> Tensor:
    """Colour N×3 of the surface, shown as `image` N×3, in the light and response of a photo.

    Photos of unknown origin differ in their tone curves as well: log reference = γ log image +
    b·c per channel, where `seen` (N) is 1. exp (b·c) is the ratio of the two shadings; where the
    normal is unknown it is the mean ratio. Drawn towards γ = 1 and equal light.
    """
    if int((seen > 0).sum()) < FEWEST:
        return image * _gain(reference, image, seen)
    order = round(surface.coefficients.shape[0] ** 0.5) - 1
    weights = seen / seen.sum()  # N
    logarithms = _logarithm(image, seen)  # N×3
    target = _logarithm(reference, seen)  # N×3
    bands = _centred_bands(surface, order, seen)  # N×(J−1)
    columns = []
    for channel in range(3):
        own = logarithms[:, channel]
        middle, aim = weights @ own, weights @ target[:, channel]
        rows = torch.cat([(own - middle)[:, None], bands], dim=1)  # N×J
        start = torch.zeros_like(rows[0])
        start[0] = 1
        wanted = target[:, channel] - aim
        solution = _drawn_column(rows, wanted, weights, start)
        for _ in range(3 if robust != "none" else 0):
            residual = (rows @ solution - wanted)[:, None]
            factor = robust_weights(residual, seen[:, None], robust)[:, 0]
            solution = _drawn_column(rows, wanted, weights * factor, start)
        columns.append((rows @ solution + aim).exp())
    return torch.stack(columns, dim=-1)


def shading_by_rotation(
    surface: Surface, coefficients: Tensor, reference_camera: Camera, camera: Camera
) -> Tensor:
    """Shading N×3 under coefficients J×3 solved in the frame of the reference's camera."""
    turn = camera_rotation(camera).T @ camera_rotation(reference_camera)
    order = round(coefficients.shape[0] ** 0.5) - 1
    rotation = torch.as_tensor(rotation_matrix(turn, order)).to(coefficients)
    shading = basis(surface.normals, order) @ (rotation @ coefficients)
    floor = 0.05 * shading.mean(0).abs()
    return _mean_where_unknown(torch.maximum(shading, floor), surface)


def shading_by_mean(surface: Surface, reference: Tensor) -> Tensor:
    """Shading N×3 of the old light times the ratio of mean colours; reference M×3."""
    mean = reference.mean(0) if len(reference) else (surface.albedo * surface.shading).mean(0)
    return surface.shading * mean / (surface.albedo * surface.shading).mean(0).clamp(min=1e-12)


def warped(
    surface: Surface, reference: Floating, mask: Floating, camera: Camera
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The reference's colour N×3 at the surface's points, and N with 1 where it shows them.

    Needs the surface's depth and camera; without the reference's depth, occlusion goes unseen and
    is left to the robust weights.
    """
    if surface.depth is None or surface.camera is None:
        raise DataError("warping a reference needs the depth and the camera of the image")
    points = unproject(surface.depth, surface.camera).reshape(-1, 3)[surface.where]  # N×3
    position, distance = project(points, camera)
    rows, columns = position[:, 1] - 0.5, position[:, 0] - 0.5
    layers = np.concatenate([reference, mask], axis=-1).astype(np.float64)  # H×W×4
    samples = np.stack(
        [map_coordinates(layer, [rows, columns], order=1) for layer in np.moveaxis(layers, -1, 0)],
        axis=-1,
    )  # N×4
    known = surface.depth.reshape(-1)[surface.where] > 0
    seen = known & (distance[:, 0] > 0) & (samples[:, 3] > 0.999)
    return samples[:, :3] * seen[:, None], seen.astype(np.float64)


def _drawn(seen: Observations, albedo: Tensor, start: Tensor) -> Tensor:
    """argmin Σ w (a b·c − i)² + TRUST tr (c − start)², c J×3."""
    columns = []
    for channel in range(3):
        rows = albedo[:, channel, None] * seen.design  # N×J
        weights = seen.weights[:, channel]
        columns.append(_drawn_column(rows, seen.image[:, channel], weights, start[:, channel]))
    return torch.stack(columns, dim=-1)


def _drawn_column(rows: Tensor, target: Tensor, weights: Tensor, start: Tensor) -> Tensor:
    """argmin Σ w (rows·x − target)² + TRUST tr |x − start|², tr the mean diagonal."""
    weighted = weights[:, None] * rows
    matrix = weighted.T @ rows  # J×J
    pull = TRUST * matrix.diagonal().mean() * torch.eye(len(matrix)).to(matrix)
    return solve_normal(matrix + pull, weighted.T @ target + pull @ start)


def _logarithm(colour: Tensor, seen: Tensor) -> Tensor:
    """log of N×3, with 1 % of its mean where seen added, below which a photo is noise."""
    mean = (seen[:, None] * colour).sum(0) / seen.sum()
    return (colour.clamp(min=0) + 0.01 * mean + 1e-12).log()


def _centred_bands(surface: Surface, order: int, seen: Tensor) -> Tensor:
    """The basis but its constant, less its mean over the known seen normals, N×(J−1); 0 unknown."""
    known = (surface.normals.abs() > 0.25).any(-1).to(seen)  # N
    rows = basis(surface.normals, order)[:, 1:]
    weights = known * seen
    mean = weights @ rows / weights.sum().clamp(min=1)
    return known[:, None] * (rows - mean)


def _gain(reference: Tensor, image: Tensor, seen: Tensor) -> Tensor:
    """Ratio of mean colours where the reference is seen, 3; 1 where it is not."""
    if not bool((seen > 0).any()):
        return torch.ones_like(image[0])
    chosen = seen > 0
    return reference[chosen].mean(0) / image[chosen].mean(0).clamp(min=1e-12)


def _mean_where_unknown(shading: Tensor, surface: Surface) -> Tensor:
    known = (surface.normals.abs() > 0.25).any(-1)
    if bool(known.all()) or not bool(known.any()):
        return shading
    return torch.where(known[:, None], shading, shading[known].mean(0))

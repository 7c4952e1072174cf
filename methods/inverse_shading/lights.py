"""Light as others see it: radiance coefficients, a non-negative dictionary, a prior, a map."""

from __future__ import annotations

from dataclasses import dataclass
from math import pi
from pathlib import Path

import numpy as np
import scipy.optimize
import torch
from torch import Tensor

from bench.errors import DataError
from bench.graphics.environments import directions as map_directions
from bench.graphics.environments import solid_angles
from bench.graphics.spherical_harmonics import (
    CLAMPED_COSINE,
    basis,
    evaluate,
    fibonacci_directions,
)

LIGHT_ORDER = 2
MAP_HEIGHT = 16
DICTIONARY = 256

_FACTORS = [
    CLAMPED_COSINE[degree] / pi for degree in range(LIGHT_ORDER + 1) for _ in range(2 * degree + 1)
]


def light_from_shading(shading: Tensor) -> Tensor:
    """Radiance coefficients …×9×C from shading coefficients …×J×C of order 1, 2 or 3.

    shading = (1/π) Σ Â_l L_lm Y_lm; missing degrees are zero, and the third is dropped, for no
    radiance of degree 3 reaches a Lambertian surface.
    """
    factors = torch.tensor(_FACTORS, dtype=shading.dtype, device=shading.device)[:, None]
    rows = min(shading.shape[-2], len(_FACTORS))
    light = shading.new_zeros(*shading.shape[:-2], len(_FACTORS), shading.shape[-1])
    light[..., :rows, :] = shading[..., :rows, :] / factors[:rows]
    return light


def shading_from_light(light: Tensor) -> Tensor:
    """Shading coefficients …×9×C of radiance coefficients …×9×C."""
    return light * torch.tensor(_FACTORS, dtype=light.dtype, device=light.device)[:, None]


def environment_map(light: Tensor, height: int = MAP_HEIGHT) -> Tensor:
    """Radiance H×2H×C of coefficients K×C, negative lobes cut to zero."""
    where = torch.as_tensor(map_directions(height, 2 * height), dtype=light.dtype)
    return evaluate(light, where.to(light.device)).clamp(min=0)


@dataclass(frozen=True, eq=False)
class Dictionary:
    """K directional lights of irradiance `power` (K×C ≥ 0) from `directions` (K×3)."""

    directions: Tensor
    power: Tensor

    def shading(self, normals: Tensor) -> Tensor:
        """Irradiance ÷ π at unit normals …×3 by the exact clamped cosine, as …×C."""
        return (normals @ self.directions.T).clamp(min=0) @ self.power / pi

    def light_sh(self) -> Tensor:
        """Radiance coefficients 9×C."""
        return basis(self.directions, LIGHT_ORDER).T @ self.power

    def environment_map(self, height: int = MAP_HEIGHT) -> Tensor:
        """Radiance H×2H×C with each light in its nearest pixel, H = `height`."""
        where = torch.as_tensor(map_directions(height, 2 * height)).to(self.directions)  # H×2H×3
        areas = torch.as_tensor(solid_angles(height, 2 * height)).to(self.directions)  # H×1
        flat = where.reshape(-1, 3)
        nearest = (self.directions @ flat.T).argmax(-1)  # K
        radiance = torch.zeros(len(flat), self.power.shape[-1]).to(self.power)
        radiance.index_add_(0, nearest, self.power)
        return radiance.reshape(height, 2 * height, -1) / areas[..., None]


def non_negative_lights(
    normals: Tensor, shading: Tensor, weights: Tensor, count: int = DICTIONARY
) -> Dictionary:
    """The lights ≥ 0 whose exact clamped cosine best explains shading N×C at normals N×3 (§5).

    Light from where no normal looks stays dark, unlike in an extrapolated series. `weights` is N.
    """
    directions = torch.as_tensor(fibonacci_directions(count), dtype=normals.dtype)
    directions = directions.to(normals.device)  # K×3
    design = (normals @ directions.T).clamp(min=0) / pi  # N×K
    weighted = weights[:, None] * design
    gram = (weighted.T @ design).cpu().numpy()  # K×K
    vector = (weighted.T @ shading).cpu().numpy()  # K×C
    # The normal equations turn N rows into K: |R x − R⁻ᵀ v|² differs from the error by a constant.
    floor = 1e-12 * max(float(np.trace(gram)), 1e-30)
    root = np.linalg.cholesky(gram + floor * np.eye(count)).T
    reduced = np.linalg.solve(root.T, vector)  # K×C
    power = [scipy.optimize.nnls(root, column, maxiter=50 * count)[0] for column in reduced.T]
    return Dictionary(directions, torch.as_tensor(np.stack(power, -1)).to(normals))


@dataclass(frozen=True, eq=False)
class IlluminationPrior:
    """Natural light as mean + α V with α ~ N(0, I) (specs/inverse_rendernet.md §2.2).

    Attributes:
        mean: 9×3 shading coefficients of the orthonormal basis.
        modes: K×9×3, scaled by their standard deviations.
    """

    mean: Tensor
    modes: Tensor

    def to(self, device: str) -> IlluminationPrior:
        """The prior on another device."""
        return IlluminationPrior(self.mean.to(device), self.modes.to(device))

    def light(self, design: Tensor, image: Tensor, albedo: Tensor, sigma: Tensor) -> Tensor:
        """Shading coefficients 9×3: argmin Σ |a b·(mean + α V) − i|² / σ² + |α|², closed form.

        Design N×9, image and albedo N×3; `sigma` N×3 is each residual's standard deviation in
        the units of an albedo in [0, 1] under the prior's exposure, infinite to leave it out.
        """
        shaded = albedo * (design @ self.mean)  # N×3
        modes = albedo * (design @ self.modes)  # K×N×3
        weighted = modes / sigma**2
        matrix = torch.einsum("knc,lnc->kl", weighted, modes)
        matrix = matrix + torch.eye(len(matrix)).to(matrix)
        vector = torch.einsum("knc,nc->k", weighted, image - shaded)
        alpha = torch.linalg.solve(matrix, vector)  # K
        return self.mean + torch.einsum("k,kjc->jc", alpha, self.modes)


def read_prior(folder: Path) -> IlluminationPrior:
    """Read mean.npy (1×27) and pcaVector.npy (K×27), coefficient-major, RGB-minor.

    Their basis already carries the clamped cosine (Ramamoorthi and Hanrahan's c₁…c₅), and their
    light 1/π and the exposure. Raises `DataError` naming the file.
    """
    mean, modes = (_coefficients(folder / name) for name in ("mean.npy", "pcaVector.npy"))
    factors = torch.tensor(_FACTORS, dtype=torch.float64)[:, None] * pi
    return IlluminationPrior(mean=mean[0] * factors, modes=modes * factors)


def _coefficients(path: Path) -> Tensor:
    try:
        stored = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise DataError(f"{path}: not a plain .npy array: {error}") from error
    if stored.ndim != 2 or stored.shape[1] != 27 or stored.dtype.kind != "f":
        raise DataError(f"{path}: expected K×27 floats, found {stored.shape} {stored.dtype}")
    if not np.isfinite(stored).all():
        raise DataError(f"{path}: holds NaN or infinity")
    return torch.from_numpy(stored.astype(np.float64)).reshape(-1, 9, 3)

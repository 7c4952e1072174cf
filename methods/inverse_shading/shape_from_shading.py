"""Refine an inflated shape until its shading matches the image (specs/inverse_shading.md §6).

The energy is mean |a B(n(z)) c − i|² + 5e-4 mean (Δz)² + 2e-6 mean (z − z₀)², z in pixels, i with
its bright end at 0.9; L-BFGS over z, the light and the albedo solved anew every 20 iterations.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as functional
from torch import Tensor

from bench.graphics.spherical_harmonics import basis

from .inflation import negative_laplacian, slopes

SMOOTHNESS = 5e-4
ANCHOR = 2e-6
BLOCK = 20

_SCALE = 100.0

Explain = Callable[[Tensor], tuple[Tensor, Tensor]]
"""Normals H×W×3 → albedo H×W×3 or 1×3, and shading coefficients J×3."""


def surface_normals(height: Tensor, inside: Tensor) -> Tensor:
    """Unit normals …H×W×3 of z = `height` (B×H×W, pixels) by central differences, 0 outside."""
    across, up = slopes(height)
    normals = torch.stack([-across, -up, torch.ones_like(height)], dim=-1)
    return functional.normalize(normals, dim=-1) * inside[..., None]


def refine(
    image: Tensor, inside: Tensor, start: Tensor, explain: Explain, iterations: int
) -> Tensor:
    """Normals H×W×3 after `iterations` of L-BFGS from the height `start` H×W.

    One image at a time, for the line search of a batch would couple its items. `inside` is H×W
    with a margin of zeros; `image` H×W×3 linear.
    """
    region = inside > 0
    bright = image[region].max(-1).values.quantile(0.99).clamp(min=1e-12)
    scaled = image * (0.9 / bright)
    height = start.clone()
    normals = surface_normals(height[None], inside[None])[0]
    done = 0
    while done < iterations:
        block = min(BLOCK, iterations - done)
        albedo, light = explain(normals)
        albedo = albedo * (0.9 / bright)
        height = _minimise(height, scaled, inside, start, albedo, light, block)
        normals = surface_normals(height[None], inside[None])[0]
        done += block
    return normals


def energy(
    height: Tensor, image: Tensor, inside: Tensor, start: Tensor, albedo: Tensor, light: Tensor
) -> Tensor:
    """The energy above as a scalar, differentiable in `height`."""
    normals = surface_normals(height[None], inside[None])[0]
    order = round(light.shape[0] ** 0.5) - 1
    residual = albedo * (basis(normals, order) @ light) - image  # H×W×3
    interior = -functional.max_pool2d(-inside[None, None], 3, 1, 1)[0, 0]  # H×W
    curvature = negative_laplacian(height[None])[0]
    return (
        (inside * residual.square().mean(-1)).sum()
        + SMOOTHNESS * (interior * curvature**2).sum()
        + ANCHOR * (inside * (height - start) ** 2).sum()
    ) / inside.sum()


def _minimise(
    height: Tensor,
    image: Tensor,
    inside: Tensor,
    start: Tensor,
    albedo: Tensor,
    light: Tensor,
    iterations: int,
) -> Tensor:
    unknown = height.clone().requires_grad_()
    optimiser = torch.optim.LBFGS(
        [unknown], max_iter=iterations, history_size=10, line_search_fn="strong_wolfe"
    )

    def closure() -> float:
        optimiser.zero_grad()
        # Scaled up, for the energies of fine detail lie below the optimiser's tolerances.
        value = _SCALE * energy(unknown * inside, image, inside, start, albedo, light)
        value.backward()  # type: ignore[no-untyped-call]
        return float(value.detach())

    optimiser.step(closure)  # type: ignore[no-untyped-call]
    return (unknown * inside).detach()

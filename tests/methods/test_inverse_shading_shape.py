"""Shape from mask and image: specs/inverse_shading.md §6 (ii), test 10."""

import numpy as np
import pytest
import torch
from torch import Tensor

from bench.graphics.normals import angular_error_degrees
from bench.graphics.spherical_harmonics import basis
from bench.methods.inverse_shading.inflation import inflate, inflated_normals, negative_laplacian
from bench.methods.inverse_shading.shape_from_shading import refine, surface_normals


def ellipse(a: float, b: float, size: int = 160) -> tuple[Tensor, np.ndarray]:
    """The mask 1×size×size and the true normals of z² = k (1 − x²/a² − y²/b²)."""
    x, y = np.meshgrid(np.arange(size) - size / 2 + 0.5, np.arange(size) - size / 2 + 0.5)
    level = 1 - (x / a) ** 2 - (y / b) ** 2
    k = 2 / (1 / a**2 + 1 / b**2)
    z = np.sqrt(k * np.maximum(level, 0))
    normals = np.stack([k * x / a**2, -k * y / b**2, z], -1)
    return torch.from_numpy((level > 0).astype(np.float64))[None], normals


@pytest.mark.parametrize(
    ("axes", "apex", "mean"), [((60, 60), 60.35, 0.64), ((70, 40), 49.56, 0.81)]
)
def test_inflation_gives_a_hemisphere_and_an_ellipsoid(
    axes: tuple[float, float], apex: float, mean: float
) -> None:
    mask, truth = ellipse(*axes)
    height = inflate(mask, tolerance=1e-6)
    error = angular_error_degrees(inflated_normals(height, mask)[0].numpy(), truth)
    inside = mask[0].numpy() > 0
    assert float(height.max().sqrt()) == pytest.approx(apex, abs=0.02)
    assert float(error[inside].mean()) == pytest.approx(mean, abs=0.02)
    assert float(np.percentile(error[inside], 95)) < 2.7


def test_inflation_solves_its_equation_on_any_mask() -> None:
    rng = np.random.default_rng(4)
    mask = np.pad(rng.random((30, 37)) < 0.7, 1).astype(np.float64)
    solid = torch.from_numpy(mask)[None]
    height = inflate(solid, tolerance=1e-9)
    residual = (negative_laplacian(height) - 4) * solid
    assert float(residual.abs().max()) < 1e-6
    assert float((height * (1 - solid)).abs().max()) == 0


def test_inflating_a_batch_gives_what_its_items_give() -> None:
    masks = torch.cat([ellipse(60, 60)[0], ellipse(20, 45)[0]])
    together = inflate(masks)
    for item in range(2):
        torch.testing.assert_close(together[item : item + 1], inflate(masks[item : item + 1]))


def test_an_empty_mask_inflates_to_nothing() -> None:
    assert float(inflate(torch.zeros(1, 40, 40, dtype=torch.float64)).abs().max()) == 0


def bumpy_ellipsoid() -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Image, mask, inflated start and true normals: constant albedo under three coloured lights."""
    x, y = np.meshgrid(np.arange(96) - 47.5, np.arange(96) - 47.5)
    level = np.maximum(1 - (x / 42) ** 2 - (y / 30) ** 2, 0)
    bumps = 2.2 * np.sin(x / 5) * np.sin(y / 5) * np.minimum(1, 3 * level)
    mask = torch.from_numpy((level > 0).astype(np.float64))
    truth = surface_normals(torch.from_numpy(32 * np.sqrt(level) + bumps)[None], mask[None])[0]
    image = torch.zeros(96, 96, 3, dtype=torch.float64)
    lights = (((0.4, 0.5, 0.77), (1, 0.8, 0.6)), ((-0.6, 0.2, 0.77), (0.5, 0.7, 1.0)),
              ((0.1, -0.8, 0.6), (0.3, 0.5, 0.4)))  # fmt: skip
    for towards, colour in lights:
        cosine = (truth @ torch.tensor(towards, dtype=torch.float64)).clamp(min=0)
        image += 0.5 * cosine[..., None] * torch.tensor(colour) * mask[..., None]
    start = inflate(mask[None])[0].clamp(min=0).sqrt()
    return image, mask, start, truth


def test_shape_from_shading_halves_the_error_of_inflation() -> None:
    image, mask, start, truth = bumpy_ellipsoid()
    inside = mask > 0

    def constant_albedo(normals: Tensor) -> tuple[Tensor, Tensor]:
        light = torch.linalg.lstsq(basis(normals[inside], 2), image[inside]).solution
        return torch.ones(1, 3, dtype=torch.float64), light

    def error(normals: Tensor) -> float:
        return float(angular_error_degrees(normals.numpy(), truth.numpy())[inside.numpy()].mean())

    inflated = inflated_normals((start**2)[None], mask[None])[0]
    refined = refine(image, mask, start, constant_albedo, iterations=80)
    assert error(inflated) > 8
    assert error(refined) < 0.5 * error(inflated)

"""Light as a dictionary, under a prior, as coefficients: specs/inverse_shading.md §5, test 11."""

from pathlib import Path

import numpy as np
import pytest
import scipy.optimize
import torch
from numpy.typing import NDArray

from bench.errors import DataError
from bench.graphics.environments import irradiance
from bench.graphics.spherical_harmonics import basis, fibonacci_directions, shade
from bench.methods.inverse_shading.lights import (
    environment_map,
    light_from_shading,
    non_negative_lights,
    read_prior,
    shading_from_light,
)

Floats = NDArray[np.float64]


def two_lights(normals: Floats) -> Floats:
    suns = (np.array([0.6, 0.3, 0.742]), np.array([-0.8, 0.5, 0.332]))
    return sum((w * np.maximum(normals @ s, 0) for s, w in zip(suns, (0.7, 0.4), strict=True)), 0.0)


def test_non_negative_lights_extrapolate_where_the_series_does_not() -> None:
    sphere = fibonacci_directions(4000)
    seen = sphere[sphere[:, 2] > 0.15]
    noise = 0.01 * np.random.default_rng(6).normal(size=len(seen))
    shading = two_lights(seen) + noise
    lights = non_negative_lights(
        torch.from_numpy(seen), torch.from_numpy(shading)[:, None], torch.ones(len(seen)).double()
    )
    series = np.linalg.lstsq(basis(seen, 2), shading)[0]

    def error(fitted: Floats, normals: Floats) -> float:
        return float(np.sqrt(((fitted - two_lights(normals)) ** 2).mean()))

    unseen = sphere[sphere[:, 2] <= 0.15]
    found = [lights.shading(torch.from_numpy(n)).numpy()[:, 0] for n in (seen, unseen)]
    assert error(found[0], seen) < 0.5 * error(basis(seen, 2) @ series, seen)
    assert error(found[1], unseen) < 0.4 * error(basis(unseen, 2) @ series, unseen)
    assert float(lights.power.min()) >= 0


def test_the_normal_equations_of_the_dictionary_are_its_least_squares() -> None:
    normals = fibonacci_directions(300)[:150]
    shading = two_lights(normals)
    lights = non_negative_lights(
        torch.from_numpy(normals), torch.from_numpy(shading)[:, None], torch.ones(150).double(), 40
    )
    design = np.maximum(normals @ fibonacci_directions(40).T, 0) / np.pi
    _, residual = scipy.optimize.nnls(design, shading)
    found = np.linalg.norm(design @ lights.power[:, 0].numpy() - shading)
    assert found == pytest.approx(residual, abs=1e-6)


def test_a_dictionary_exports_as_coefficients_and_as_a_map_of_the_same_shading() -> None:
    normals = fibonacci_directions(400)
    tensor = torch.from_numpy(normals)
    shading = torch.from_numpy(0.4 + two_lights(normals))[:, None].expand(-1, 3)
    lights = non_negative_lights(tensor, shading, torch.ones(400).double())
    by_map = irradiance(lights.environment_map(64).numpy(), normals) / np.pi
    np.testing.assert_allclose(by_map, shading, atol=0.05)
    np.testing.assert_allclose(shade(normals, lights.light_sh().numpy()), shading, atol=0.1)


@pytest.mark.parametrize("order", [1, 2, 3])
def test_light_and_shading_coefficients_agree_with_the_convolution(order: int) -> None:
    rng = np.random.default_rng(9)
    coefficients = torch.from_numpy(rng.normal(size=((order + 1) ** 2, 3)))
    coefficients[9:] = 0
    normals = fibonacci_directions(50)
    expected = basis(normals, order) @ coefficients.numpy()
    light = light_from_shading(coefficients)
    assert light.shape == (9, 3)
    np.testing.assert_allclose(shade(normals, light.numpy()), expected, atol=1e-12)
    np.testing.assert_allclose(basis(normals, 2) @ shading_from_light(light).numpy(), expected)


def test_the_map_of_constant_light_is_constant() -> None:
    light = torch.zeros(9, 3, dtype=torch.float64)
    light[0] = (4 * np.pi) ** 0.5
    np.testing.assert_allclose(environment_map(light), 1, atol=1e-12)


def test_the_prior_of_natural_light_has_its_documented_mean(shared: Path) -> None:
    prior = read_prior(shared / "data" / "illumination_prior")
    normals = np.array([[0, 1, 0], [0, 0, 1], [0, -1, 0]])
    expected = [[0.419, 0.503, 0.696], [0.329, 0.348, 0.418], [0.225, 0.195, 0.179]]
    np.testing.assert_allclose(basis(normals, 2) @ prior.mean.numpy(), expected, atol=0.002)
    assert prior.modes.shape == (18, 9, 3)


def test_the_prior_interpolates_between_its_mean_and_the_pixels(shared: Path) -> None:
    prior = read_prior(shared / "data" / "illumination_prior")
    alpha = torch.randn(18, generator=torch.Generator().manual_seed(1)).double()
    truth = prior.mean + torch.einsum("k,kjc->jc", alpha, prior.modes)
    normals = fibonacci_directions(600)[:300]
    design = torch.from_numpy(basis(normals, 2))
    albedo = torch.full((300, 3), 0.5).double()
    image = albedo * (design @ truth)
    sigma = torch.ones(300, 3).double()
    certain = prior.light(design, image, albedo, 1e-4 * sigma)
    torch.testing.assert_close(design @ certain, design @ truth, atol=1e-3, rtol=1e-3)
    torch.testing.assert_close(prior.light(design, image, albedo, torch.inf * sigma), prior.mean)


@pytest.mark.parametrize("content", [b"not an array", b""])
def test_a_corrupt_prior_is_refused_by_name(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "mean.npy").write_bytes(content)
    with pytest.raises(DataError, match=r"mean\.npy"):
        read_prior(tmp_path)


def test_a_pickle_in_place_of_the_prior_is_not_loaded(tmp_path: Path) -> None:
    np.save(tmp_path / "mean.npy", np.array([{"a": 1}], dtype=object), allow_pickle=True)
    with pytest.raises(DataError, match=r"mean\.npy"):
        read_prior(tmp_path)

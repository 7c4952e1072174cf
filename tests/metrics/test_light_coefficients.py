"""Spherical harmonics and distant lights against §8 of specs/metrics.md, scipy and integrals."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation
from scipy.special import sph_harm_y

from bench.api import Item, Key
from bench.errors import InvalidValueError
from bench.graphics.environments import directions, irradiance
from bench.graphics.spherical_harmonics import (
    basis,
    fibonacci_directions,
    irradiance_coefficients,
    project_environment,
    rotation_matrix,
)
from bench.metrics.light.coefficients import hemisphere_shading
from bench.protocol import Comparison

Array = NDArray[np.floating[Any]]
NEUTRAL = Comparison(scale="scalar", mask="full")


@pytest.fixture
def truth() -> Array:
    """Nine coefficients of a light that is brightest towards (1, 2, 2) ÷ 3."""
    radiance = 1 + np.maximum(directions(64, 128) @ [1 / 3, 2 / 3, 2 / 3], 0)[..., None] ** 4
    return project_environment(radiance * [1.0, 0.9, 0.7], 2)


def lit(prediction: Array, target: Array) -> Item:
    return Item(Key("room", "0"), None, {"light_sh": prediction}, {"light_sh": target})


@pytest.mark.parametrize(
    ("normal", "expected"),
    [
        ((0, 0, 1), [0.886227, 0, 1.023328, 0, 0, 0, 0.495417, 0, 0]),
        ((1, 0, 0), [0.886227, 0, 0, 1.023328, 0, 0, -0.247708, 0, 0.429043]),
    ],
)
def test_the_irradiance_basis_of_the_specification(normal: Any, expected: list[float]) -> None:
    found = basis(np.array([normal], float), 2)[0] * irradiance_coefficients(np.ones((9, 1)))[:, 0]
    # Its constants have six digits, of which the example takes twice: 2 · .511664.
    np.testing.assert_allclose(found, expected, atol=1.5e-6)


def test_the_basis_is_scipys_without_its_sign() -> None:
    """Real harmonics of scipy's complex ones; it has the Condon-Shortley sign, we do not."""
    points = fibonacci_directions(50)
    theta, phi = np.arccos(points[:, 2]), np.arctan2(points[:, 1], points[:, 0])
    columns = []
    for degree in range(3):
        for order in range(-degree, degree + 1):
            value = sph_harm_y(degree, abs(order), theta, phi) * (-1) ** order
            part = value.real if order > 0 else value.imag
            columns.append(value.real if order == 0 else np.sqrt(2) * part)
    np.testing.assert_allclose(basis(points, 2), np.stack(columns, axis=-1), atol=1e-12)


def test_coefficients_are_compared_after_least_squares(
    measure: Callable[..., Any], truth: Array
) -> None:
    noisy = 2 * truth + np.random.default_rng(7).normal(0, 0.3, truth.shape)
    residual = np.linalg.lstsq(noisy.reshape(-1, 1), truth.ravel())[1][0]
    for comparison in (NEUTRAL, Comparison(mask="full")):
        found = measure("light.sh_rmse", lit(noisy, truth), comparison=comparison)
        assert found == pytest.approx(np.sqrt(residual / truth.size))


def test_irradiance_is_that_of_the_light_on_the_visible_hemisphere(truth: Array) -> None:
    """Shading at normals that face the viewer, by summing the radiance itself."""
    radiance = 1 + directions(64, 128) @ np.array([[0.5, 0, 0], [0, 0.4, 0], [0.3, 0, 0.2]])
    normals = fibonacci_directions(256)
    normals = normals[normals[:, 2] > 0]
    expected = irradiance(radiance, normals) / np.pi
    assert len(expected) == 128
    np.testing.assert_allclose(
        hemisphere_shading(project_environment(radiance, 2)), expected, atol=2e-3
    )


def test_irradiance_error_is_after_least_squares(measure: Callable[..., Any], truth: Array) -> None:
    noisy = truth + np.random.default_rng(8).normal(0, 0.3, truth.shape)
    found = measure("light.sh_irradiance", lit(noisy, truth), comparison=NEUTRAL)
    p, g = (hemisphere_shading(values).ravel() for values in (noisy, truth))
    expected = np.sqrt(np.linalg.lstsq(p[:, None], g)[1][0] / len(g))
    assert found == pytest.approx(expected)
    invisible = truth.copy()
    invisible[[1, 2, 3]] *= -1
    assert measure("light.sh_irradiance", lit(invisible, truth), comparison=NEUTRAL) > 0.05


@pytest.mark.parametrize("degrees", [0, 30, 90, 150])
def test_the_main_direction_turns_with_the_light(
    measure: Callable[..., Any], truth: Array, degrees: float
) -> None:
    across = np.array([2, -1, 0]) / np.sqrt(5)  # at a right angle to the light
    turn = Rotation.from_rotvec(np.radians(degrees) * across).as_matrix()
    turned = rotation_matrix(turn, 2) @ truth
    found = measure("light.sh_angle", lit(3 * turned, truth), comparison=NEUTRAL)
    assert found == pytest.approx(degrees, abs=1e-4)


def test_light_without_a_direction_is_a_right_angle_off_or_undefined(
    measure: Callable[..., Any], truth: Array
) -> None:
    even = truth.copy()
    even[1:4] = 0
    assert measure("light.sh_angle", lit(even, truth), comparison=NEUTRAL) == 90
    assert measure("light.sh_angle", lit(truth, even), comparison=NEUTRAL) is None
    assert measure("light.sh_angle", lit(truth[:1], truth[:1]), comparison=NEUTRAL) is None


def test_black_coefficients_are_as_far_off_as_the_truth_is_bright(
    measure: Callable[..., Any], truth: Array
) -> None:
    found = measure("light.sh_rmse", lit(0 * truth, truth), comparison=NEUTRAL)
    assert found == pytest.approx(np.sqrt(np.mean(truth**2)))


def test_unlike_orders_are_a_failure(measure: Callable[..., Any], truth: Array) -> None:
    with pytest.raises(InvalidValueError, match=r"\(4, 3\) coefficients, the target \(9, 3\)"):
        measure("light.sh_rmse", lit(truth[:4], truth), comparison=NEUTRAL)


def distant(prediction: Array, target: Array, quantity: str) -> Item:
    return Item(Key("ball", "0"), None, {quantity: prediction}, {quantity: target})


def test_the_angle_between_distant_lights(measure: Callable[..., Any]) -> None:
    rng = np.random.default_rng(9)
    first, second = rng.normal(size=(2, 3))
    first, second = first / np.linalg.norm(first), second / np.linalg.norm(second)
    expected = np.degrees(np.arccos(first @ second))
    item = distant(first, second, "light_direction")
    assert measure("light.direction", item, comparison=NEUTRAL) == pytest.approx(expected)
    unknown = distant(0 * first, second, "light_direction")
    assert measure("light.direction", unknown, comparison=NEUTRAL) == 90
    pointless = distant(first, 0 * second, "light_direction")
    assert measure("light.direction", pointless, comparison=NEUTRAL) is None


def test_intensities_are_relative_to_the_first_and_scaled_once(
    measure: Callable[..., Any],
) -> None:
    rng = np.random.default_rng(10)
    found, truth = rng.uniform(0.5, 2, (2, 5, 3))
    e, guess = truth / truth[0], found / found[0]
    scale = np.linalg.lstsq(guess.reshape(-1, 1), e.ravel())[0][0]
    expected = np.mean([abs(a - scale * b) / a for a, b in zip(e.flat, guess.flat, strict=True)])
    items = [distant(p, g, "light_intensity") for p, g in zip(found, truth, strict=True)]
    assert measure("light.intensity", *items, comparison=NEUTRAL) == pytest.approx(expected)
    coloured = [distant(g * [1, 2, 3], g, "light_intensity") for g in truth]
    assert measure("light.intensity", *coloured, comparison=NEUTRAL) == pytest.approx(0)


def test_a_first_light_that_is_dark_is_a_failure(measure: Callable[..., Any]) -> None:
    dark = distant(np.zeros(3), np.ones(3), "light_intensity")
    with pytest.raises(InvalidValueError, match="dark"):
        measure("light.intensity", dark, comparison=NEUTRAL)

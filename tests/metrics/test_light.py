"""Light errors against §8 of specs/metrics.md, weighted least squares and analytic light."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from bench.api import Item
from bench.errors import DataError
from bench.graphics.environments import directions, irradiance, solid_angles
from bench.graphics.spherical_harmonics import fibonacci_directions
from bench.metrics.light.metric import (
    SPHERE,
    colour_angle,
    root_mean_square,
    sphere_shading,
)
from bench.protocol import Comparison
from bench.protocol.apply import match
from bench.protocol.scales import fit_scale
from bench.quantities import Environment

NEUTRAL = Comparison(scale="scalar", mask="full")
SLOPE = np.array([[0.5, 0, 0], [0, 1, 0], [0.5, 0, 0.2]])


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(4)


def test_the_example_of_the_specification() -> None:
    prediction = np.array([[1, 0.5, 0.25], [2, 1, 1]])
    target = np.array([[2, 1, 1], [2, 1, 0.5]])
    weights = np.ones(2)
    assert root_mean_square(prediction, target, weights) == pytest.approx(0.586302, abs=1e-6)
    pair = match(prediction, target, NEUTRAL, weights)
    assert root_mean_square(*pair, weights) == pytest.approx(0.568962, abs=1e-6)
    assert colour_angle(prediction, target, weights) == pytest.approx(11.490460, abs=1e-6)
    # StyleLight adds the channels up where the mean over them stands here.
    summed = [
        np.sqrt(3) * root_mean_square(*lists, weights) for lists in ((prediction, target), pair)
    ]
    assert summed == pytest.approx([1.015505, 0.985471], abs=5e-7)
    gain = fit_scale(prediction, target, "scalar").scale
    assert gain == pytest.approx([1.128205] * 3, abs=5e-7)


def test_radiance_error_is_weighted_least_squares(
    measure: Callable[..., Any],
    view: Item,
    predicting: Callable[..., Item],
    rng: np.random.Generator,
) -> None:
    truth = view.target["environment"].radiance
    height = len(truth)
    brightening = np.linspace(0.2, 3, height)[:, None, None] ** 2
    noisy = np.abs(brightening * truth + rng.normal(0, 0.5, truth.shape)).astype(np.float32)
    theta = np.pi * (np.arange(height) + 0.5) / height
    weights = np.broadcast_to(np.sin(theta)[:, None, None], truth.shape).ravel()
    root = np.sqrt(weights)
    solution = np.linalg.lstsq((root * noisy.ravel())[:, None], root * truth.ravel())
    expected = np.sqrt(solution[1][0] / weights.sum())
    wrong = predicting(view, environment=Environment(noisy, "world"))
    assert measure("light.si_rmse", wrong, comparison=NEUTRAL) == pytest.approx(expected, rel=1e-5)


def test_radiance_error_as_given_fits_nothing(
    measure: Callable[..., Any],
    view: Item,
    predicting: Callable[..., Item],
    rng: np.random.Generator,
) -> None:
    truth = view.target["environment"].radiance
    noisy = np.abs(truth + rng.normal(0.5, 0.5, truth.shape)).astype(np.float32)
    edges = np.cos(np.pi * np.arange(len(truth) + 1) / len(truth))
    squared = ((noisy.astype(float) - truth) ** 2).mean(axis=(1, 2))
    expected = np.sqrt(np.sum(squared * (edges[:-1] - edges[1:])) / 2)
    wrong = predicting(view, environment=Environment(noisy, "world"))
    for scale in ("none", "scalar"):
        comparison = Comparison(scale=scale, mask="full")
        assert measure("light.rmse", wrong, comparison=comparison) == pytest.approx(expected)
    given = measure("light.si_rmse", wrong, comparison=Comparison(mask="full"))
    assert given == measure("light.si_rmse", wrong, comparison=NEUTRAL) < expected


def test_a_black_light_is_as_far_off_as_the_truth_is_bright(
    measure: Callable[..., Any], view: Item, predicting: Callable[..., Item]
) -> None:
    truth = view.target["environment"]
    black = predicting(view, environment=Environment(0 * truth.radiance, "world"))
    power = np.average((truth.radiance**2).mean(axis=(1, 2)), weights=solid_angles(16, 32)[:, 0])
    for score in ("light.rmse", "light.si_rmse"):
        assert measure(score, black, comparison=NEUTRAL) == pytest.approx(np.sqrt(power))
    assert measure("light.angular", black, comparison=NEUTRAL) == pytest.approx(90)


def test_a_pole_weighs_less_than_the_equator(
    measure: Callable[..., Any], view: Item, predicting: Callable[..., Item]
) -> None:
    truth = view.target["environment"].radiance
    errors = {}
    for name, row in (("pole", 0), ("equator", truth.shape[0] // 2)):
        wrong = truth.copy()
        wrong[row] += [1, 0, 0]
        damaged = predicting(view, environment=Environment(wrong, "world"))
        errors[name] = [
            measure(score, damaged, comparison=NEUTRAL)
            for score in ("light.si_rmse", "light.angular", "light.irradiance")
        ]
    assert all(pole < equator for pole, equator in zip(*errors.values(), strict=True))


def test_brightness_is_free_but_colour_is_not(
    measure: Callable[..., Any], view: Item, predicting: Callable[..., Item]
) -> None:
    truth = view.target["environment"].radiance
    brighter = predicting(view, environment=Environment(truth * np.float32(3), "world"))
    redder = predicting(view, environment=Environment(truth * np.float32([2, 1, 1]), "world"))
    for score in ("light.si_rmse", "light.angular", "light.irradiance"):
        assert measure(score, brighter, comparison=NEUTRAL) == pytest.approx(0, abs=1e-5)
        assert measure(score, redder, comparison=NEUTRAL) > 0.01


def test_a_black_prediction_is_ninety_degrees_off_and_black_truth_is_left_out() -> None:
    prediction, target = np.array([[0.0, 0, 0], [1, 1, 1]]), np.array([[1.0, 0, 0], [0, 0, 0]])
    assert colour_angle(prediction, target, np.ones(2)) == pytest.approx(90)
    assert colour_angle(prediction, 0 * target, np.ones(2)) is None


def test_sphere_shading_is_irradiance_over_pi(rng: np.random.Generator) -> None:
    radiance = rng.random((16, 32, 3))
    expected = irradiance(radiance, fibonacci_directions(SPHERE)) / np.pi
    np.testing.assert_allclose(sphere_shading(radiance), expected, rtol=1e-10)


def test_sphere_shading_of_a_linear_light_is_analytic() -> None:
    """L = 1 + ω·a has E(n)/π = 1 + ⅔ n·a."""
    radiance = 1 + directions(64, 128) @ SLOPE
    expected = 1 + 2 / 3 * fibonacci_directions(SPHERE) @ SLOPE
    np.testing.assert_allclose(sphere_shading(radiance), expected, atol=2e-3)


def test_camera_frame_light_is_turned_into_the_world(
    measure: Callable[..., Any], view: Item, predicting: Callable[..., Item]
) -> None:
    rotation = view.inputs.inputs["camera"].camera_to_world[:3, :3] * [1, -1, -1]
    in_world = directions(16, 32) @ rotation.T
    radiance = (1 + 0.5 * in_world @ SLOPE).astype(np.float32)
    turned = predicting(view, environment=Environment(radiance, "camera"))
    assert measure("light.si_rmse", turned, comparison=NEUTRAL) < 0.01
    assert measure("light.irradiance", turned, comparison=NEUTRAL) < 0.003
    assert measure("light.angular", turned, comparison=NEUTRAL) < 0.5


def test_another_size_is_resampled_with_solid_angles(
    measure: Callable[..., Any], view: Item, predicting: Callable[..., Item]
) -> None:
    radiance = (1 + 0.5 * directions(64, 128) @ SLOPE).astype(np.float32)
    finer = predicting(view, environment=Environment(radiance, "world"))
    assert measure("light.si_rmse", finer, comparison=NEUTRAL) < 0.01


def test_unlike_frames_without_a_camera_name_the_item(
    measure: Callable[..., Any], view: Item, predicting: Callable[..., Item]
) -> None:
    turned = Environment(view.target["environment"].radiance, "camera")
    blind = replace(predicting(view, environment=turned), inputs=None)
    with pytest.raises(DataError, match=r"sphere/0\.0"):
        measure("light.si_rmse", blind, comparison=NEUTRAL)


def test_the_weights_sum_to_the_sphere() -> None:
    """Exactly, where the sine at the row's middle gives 12.5866."""
    assert solid_angles(16, 48).sum() * 48 == pytest.approx(4 * np.pi)
    middle = np.sin(np.pi * (np.arange(16) + 0.5) / 16).sum() * np.pi / 16 * 2 * np.pi
    assert middle == pytest.approx(12.5866, abs=5e-5)

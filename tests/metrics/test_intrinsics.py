"""PSNR, si-MSE and LMSE against §5 and §14 of specs/metrics.md and a slow twin."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from bench.api import Item
from bench.metrics.intrinsics.metric import local_error
from bench.protocol import Comparison
from bench.protocol.apply import prepare

Array = NDArray[np.floating[Any]]


def local_error_by_loops(
    prediction: Array, target: Array, mask: Any, window: int, step: int
) -> float:
    """Grosse et al. 2009, one window at a time."""
    height, width, _ = target.shape
    error = total = 0.0
    for top in range(0, height - window + 1, step):
        for left in range(0, width - window + 1, step):
            cut = np.s_[top : top + window, left : left + window]
            g, p = target[cut] * mask[cut], prediction[cut] * mask[cut]
            alpha = np.sum(g * p) / np.sum(p * p) if np.sum(p * p) > 1e-5 else 0
            error += np.sum((g - alpha * p) ** 2)
            total += np.sum(g * g)
    return error / total


@pytest.mark.parametrize(("window", "expected"), [(2, 0.0284855), (4, 0.0622116)])
def test_the_lmse_example_of_the_specification(window: int, expected: Any) -> None:
    target = (np.arange(16) + 1.0).reshape(4, 4, 1) / 16
    prepared = prepare(target**2, target, None, Comparison())
    assert local_error(prepared, window, 1) == pytest.approx(expected, abs=5e-8)


@pytest.mark.parametrize(
    ("window", "step", "expected"), [(20, 10, 7.784591e-4), (16, 8, 5.860664e-4)]
)
def test_lmse_of_channel_means_is_the_golden_number(
    golden: Any, window: int, step: int, expected: Any
) -> None:
    prediction, target = (
        array.mean(axis=-1, keepdims=True) / 1.5 for array in (golden.prediction, golden.target)
    )
    prepared = prepare(prediction, target, golden.mask, Comparison())
    assert local_error(prepared, window, step) == pytest.approx(expected, abs=1e-10)
    assert (local_error(prepared) == local_error(prepared, window, step)) == (window == 20)


@pytest.mark.parametrize("size", [(20, 20), (47, 61), (128, 40)])
@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("steps", [(20, 10), (16, 5), (7, 7)])
def test_lmse_agrees_with_its_slow_twin(
    size: tuple[int, ...], masked: bool, steps: tuple[int, int]
) -> None:
    rng = np.random.default_rng(5)
    prediction, target = rng.random((2, *size, 3))
    prediction[: size[0] // 2, : size[1] // 2] = 0
    mask = (rng.random((*size, 1)) < 0.5) * 1.0 if masked else np.ones((*size, 1))
    expected = local_error_by_loops(prediction, target, mask, *steps)
    found = local_error(prepare(prediction, target, mask, Comparison()), *steps)
    assert found == pytest.approx(expected, rel=1e-9)


def test_lmse_of_nothing_is_one() -> None:
    black, target = np.zeros((40, 40, 3)), np.ones((40, 40, 3))
    assert local_error(prepare(black, target, None, Comparison())) == 1


def test_a_window_without_predicted_power_gets_no_scale() -> None:
    dim, target = np.full((20, 20, 1), 1e-4), np.ones((20, 20, 1))
    assert local_error(prepare(dim, target, None, Comparison())) == 1
    assert local_error(prepare(2 * dim, target, None, Comparison())) == pytest.approx(0)


def test_lmse_ignores_a_slow_change_of_scale_but_not_of_colour(
    view: Item, predicting: Callable[..., Item], measure: Callable[..., Any]
) -> None:
    albedo = view.target["albedo"]
    halves = albedo * np.where(np.arange(48) < 24, 1, 1.3)[:, None, None].astype(np.float32)
    tinted = albedo * np.array([1, 0.6, 0.3], np.float32)
    errors = [
        measure("albedo.lmse", predicting(view, albedo=wrong), comparison=Comparison())
        for wrong in (halves, tinted)
    ]
    assert errors[0] < 0.2 * errors[1]


def test_lmse_needs_a_window_that_fits(
    view: Item, predicting: Callable[..., Item], measure: Callable[..., Any]
) -> None:
    small = np.ones((19, 30, 3), np.float32)
    view.target.update(albedo=small, mask=small[..., :1])
    tiny = predicting(view, albedo=small)
    assert measure("albedo.lmse", tiny, comparison=Comparison()) is None
    assert measure("albedo.si_mse", tiny, comparison=Comparison()) == 0


def test_lmse_of_a_black_target_is_undefined(
    view: Item, predicting: Callable[..., Item], measure: Callable[..., Any]
) -> None:
    view.target["shading"] = np.zeros_like(view.target["shading"])
    assert measure("shading.lmse", view, comparison=Comparison()) is None


def test_si_mse_fits_one_scalar_where_the_comparison_fits_none(
    measure: Callable[..., Any], view: Item, predicting: Callable[..., Item]
) -> None:
    wrong = predicting(view, albedo=view.target["albedo"] * np.array([2, 2, 2.5], np.float32))
    unscaled = measure("albedo.si_mse", wrong, comparison=Comparison())
    scalar = measure("albedo.si_mse", wrong, comparison=Comparison(scale="scalar"))
    assert unscaled == scalar > 1e-4
    channel = measure("albedo.si_mse", wrong, comparison=Comparison(scale="channel"))
    assert channel == pytest.approx(0, abs=1e-12)
    plain = measure("albedo.psnr", wrong, comparison=Comparison())
    assert plain < measure("albedo.psnr", wrong, comparison=Comparison(scale="scalar"))

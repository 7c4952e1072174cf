"""Depth error: aligned and as given, over the extent of what is seen."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from bench.api import Item
from bench.errors import InvalidValueError
from bench.metrics.depth.metric import extent
from bench.protocol import Comparison
from bench.quantities import Camera

ALIGNED, GIVEN = Comparison(scale="affine"), Comparison()


def test_scale_and_shift_cost_nothing_when_aligned(
    measure: Callable[..., Any], view: Item, predicting: Callable[..., Item]
) -> None:
    truth = view.target["depth"]
    moved = predicting(view, depth=np.where(truth > 0, 3 * truth + 2, 0).astype(np.float32))
    assert measure("depth.rmse", moved, comparison=ALIGNED) == pytest.approx(0, abs=1e-5)
    assert measure("depth.rmse", moved, comparison=GIVEN) > 1


def test_error_is_root_mean_square_over_extent(
    measure: Callable[..., Any], view: Item, predicting: Callable[..., Item]
) -> None:
    truth, inside = view.target["depth"], view.target["mask"][..., 0] > 0
    noise = np.random.default_rng(2).normal(0, 0.1, truth.shape).astype(np.float32)
    found = measure("depth.rmse", predicting(view, depth=truth + noise), comparison=GIVEN)
    rows, columns = np.nonzero(inside)
    camera = view.inputs.inputs["camera"]
    z = truth[inside][:, 0].astype(float)
    x = (columns + 0.5 - camera.intrinsics[0, 2]) / camera.intrinsics[0, 0] * z
    y = (rows + 0.5 - camera.intrinsics[1, 2]) / camera.intrinsics[1, 1] * z
    size = np.linalg.norm([np.ptp(x), np.ptp(y), np.ptp(z)])
    expected = np.sqrt(np.mean(noise[inside].astype(float) ** 2)) / size
    assert found == pytest.approx(expected, rel=1e-5)


def test_alignment_is_the_least_squares_of_numpy(
    measure: Callable[..., Any], view: Item, predicting: Callable[..., Item]
) -> None:
    truth, inside = view.target["depth"], view.target["mask"][..., 0] > 0
    bent = (truth**1.5 * inside[..., None]).astype(np.float32)
    design = np.stack([bent[inside][:, 0], np.ones(inside.sum())], axis=-1).astype(float)
    residual = np.linalg.lstsq(design, truth[inside][:, 0].astype(float))[1][0] / inside.sum()
    size = extent(truth, inside, view.inputs.inputs["camera"])
    found = measure("depth.rmse", predicting(view, depth=bent), comparison=ALIGNED)
    assert found == pytest.approx(np.sqrt(residual) / size, rel=1e-6)


def test_extent_of_a_flat_rectangle_is_its_diagonal() -> None:
    camera = Camera(np.array([[10.0, 0, 5], [0, 10, 5], [0, 0, 1]]), np.eye(4), 10, 10)
    inside = np.zeros((10, 10), bool)
    inside[2:6, 1:] = True
    size = extent(np.full((10, 10, 1), 20.0), inside, camera)
    assert size == pytest.approx(np.hypot(16, 6))


def test_unknown_depth_is_left_out_and_counted(
    measure: Callable[..., Any], view: Item, predicting: Callable[..., Item]
) -> None:
    truth = view.target["depth"].copy()
    truth[24:] = 0
    half = predicting(view, depth=truth)
    assert measure("depth.rmse", half, comparison=GIVEN) == 0
    assert 40 < measure("depth.coverage", half, comparison=GIVEN) < 60


def test_extent_does_not_depend_on_the_prediction(
    measure: Callable[..., Any], view: Item, predicting: Callable[..., Item]
) -> None:
    truth = view.target["depth"]
    shifted = truth + np.float32(0.1) * (truth > 0)
    corner = np.where(np.arange(48)[:, None, None] < 24, shifted, 0).astype(np.float32)
    whole = measure("depth.rmse", predicting(view, depth=shifted), comparison=GIVEN)
    part = measure("depth.rmse", predicting(view, depth=corner), comparison=GIVEN)
    assert part == pytest.approx(whole, rel=1e-5)


def test_predicting_no_depth_at_all_is_a_failure(
    measure: Callable[..., Any], view: Item, predicting: Callable[..., Item]
) -> None:
    with pytest.raises(InvalidValueError, match="unknown"):
        blank = predicting(view, depth=np.zeros_like(view.target["depth"]))
        measure("depth.rmse", blank, comparison=ALIGNED)

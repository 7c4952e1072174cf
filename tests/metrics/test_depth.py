"""Depth errors against §3 of specs/metrics.md, loops, torchmetrics and least squares."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torchmetrics.functional import mean_absolute_percentage_error, mean_squared_error

from bench.api import Item, Key
from bench.errors import InvalidValueError
from bench.metrics.depth.metric import extent
from bench.protocol import Comparison
from bench.quantities import Camera

ALIGNED, GIVEN = Comparison(scale="affine"), Comparison()
ORB = Comparison(scale="scalar", mask="zero-outside", unknown="counted")

EXAMPLE = (1.0, 2.0, 3.0), (2.0, 4.0, 7.0)


def item(prediction: Any, target: Any, mask: Any = None) -> Item:
    """One row of depths."""
    values = {"depth": target} if mask is None else {"depth": target, "mask": mask}
    truth = {name: np.array(value, np.float64).reshape(1, -1, 1) for name, value in values.items()}
    return Item(Key("row", "0"), None, {"depth": np.reshape(prediction, (1, -1, 1))}, truth)


@pytest.mark.parametrize(
    ("score", "scale", "expected", "half_digit"),
    [
        ("si_mse", "none", 0.119048, 5e-7),
        ("si_rmse", "none", 0.345033, 5e-7),
        ("silog", "none", 0.00528054, 5e-9),
        ("rmse", "scalar", 0.345033, 5e-7),
        ("abs_rel", "scalar", 0.0884354, 5e-8),
        ("delta1", "scalar", 1, 0),
        ("log10", "scalar", 0.0370502, 5e-8),
    ],
)
def test_the_example_of_the_specification(
    measure: Callable[..., Any], score: str, scale: Any, expected: float, half_digit: float
) -> None:
    found = measure(f"depth.{score}", item(*EXAMPLE), comparison=Comparison(scale=scale))
    assert found == pytest.approx(expected, abs=half_digit)


def test_the_alignments_of_the_specification(measure: Callable[..., Any]) -> None:
    example = item(*EXAMPLE)
    assert measure("depth.rmse", example, comparison=ALIGNED) ** 2 == pytest.approx(
        0.0555556, abs=5e-8
    )
    doubled = measure("depth.rmse", example, comparison=Comparison(scale="median"))
    assert doubled == pytest.approx(math.sqrt(1 / 3))
    log = measure("depth.rmse_log", example, comparison=GIVEN)
    silog = measure("depth.silog", example, comparison=GIVEN)
    halved = log**2 - 0.5 * (log**2 - silog)  # mean(d²) − ½ mean(d)²
    assert halved == pytest.approx(0.282444, abs=5e-7)
    assert math.sqrt(silog) == pytest.approx(0.0726673, abs=5e-8)


@pytest.fixture
def noisy(view: Item, predicting: Callable[..., Item]) -> tuple[Item, Any, Any]:
    """The view with depths up to twice too far, and its inside pixels as (item, p, g)."""
    truth, inside = view.target["depth"], view.target["mask"][..., 0] > 0
    factor = np.random.default_rng(5).uniform(0.7, 2, truth.shape).astype(np.float32)
    wrong = predicting(view, depth=truth * factor)
    pair = (
        values["depth"][inside][:, 0].astype(float) for values in (wrong.prediction, wrong.target)
    )
    return wrong, *pair


def test_errors_are_their_definitions_pixel_by_pixel(
    measure: Callable[..., Any], noisy: tuple[Item, Any, Any]
) -> None:
    wrong, predicted, truth = noisy
    pairs = [(float(p), float(g)) for p, g in zip(predicted, truth, strict=True)]
    logs = [math.log(p / g) for p, g in pairs]
    count, centre = len(pairs), sum(logs) / len(logs)
    expected = {
        "abs_rel": sum(abs(p - g) / g for p, g in pairs) / count,
        "sq_rel": sum((p - g) ** 2 / g for p, g in pairs) / count,
        "rmse": math.sqrt(sum((p - g) ** 2 for p, g in pairs) / count),
        "rmse_log": math.sqrt(sum(d * d for d in logs) / count),
        "log10": sum(abs(math.log10(p) - math.log10(g)) for p, g in pairs) / count,
        "silog": sum(d * d for d in logs) / count - centre**2,
    }
    for k in (1, 2, 3):
        expected[f"delta{k}"] = sum(max(p / g, g / p) < 1.25**k for p, g in pairs) / count
    for score, value in expected.items():
        found = measure(f"depth.{score}", wrong, comparison=GIVEN)
        assert found == pytest.approx(value, rel=1e-9), score
    assert 0.1 < expected["delta1"] < expected["delta2"] < expected["delta3"] < 1.01


def test_errors_are_those_of_torchmetrics(
    measure: Callable[..., Any], noisy: tuple[Item, Any, Any]
) -> None:
    wrong, *pair = noisy
    predicted, truth = (torch.tensor(values) for values in pair)
    rmse = float(mean_squared_error(predicted, truth, squared=False))
    assert measure("depth.rmse", wrong, comparison=GIVEN) == pytest.approx(rmse)
    relative = float(mean_absolute_percentage_error(predicted, truth))
    assert measure("depth.abs_rel", wrong, comparison=GIVEN) == pytest.approx(relative)


def test_one_scale_is_the_least_squares_of_numpy_whatever_the_comparison_fits(
    measure: Callable[..., Any], noisy: tuple[Item, Any, Any]
) -> None:
    wrong, predicted, truth = noisy
    expected = np.linalg.lstsq(predicted[:, None], truth)[1][0] / len(truth)
    for comparison in (GIVEN, ALIGNED, Comparison(scale="scalar")):
        assert measure("depth.si_mse", wrong, comparison=comparison) == pytest.approx(expected)
        root = measure("depth.si_rmse", wrong, comparison=comparison)
        assert root == pytest.approx(math.sqrt(expected))


def test_stanford_orb_divides_by_the_whole_frame_and_counts_what_is_unknown(
    measure: Callable[..., Any],
) -> None:
    """Σ over the mask of (s p − g)² ÷ all pixels; the fourth is not predicted, the truth of the
    fifth not known, and the sixth is outside."""
    predicted, truth = [1, 2, 3, 0, 2, 9], [2, 4, 7, 1, 0, 3]
    row = item(predicted, truth, [1, 1, 1, 1, 1, 0])
    scale = (2 + 8 + 21) / (1 + 4 + 9 + 4)
    error = sum((scale * p - g) ** 2 for p, g in zip(predicted[:5], truth[:5], strict=True)) / 6
    assert measure("depth.si_mse", row, comparison=ORB) == pytest.approx(error)
    left_out = Comparison(scale="scalar", mask="zero-outside")
    assert measure("depth.si_mse", row, comparison=left_out) == pytest.approx(
        0.119048 * 3 / 6, abs=1e-6
    )


def test_a_scene_has_one_scale_and_sums_over_its_views(measure: Callable[..., Any]) -> None:
    first = item([1, 2, 3, 5], [2, 4, 7, 0], [1, 1, 1, 0])
    second = item([1, 1, 2, 5], [3, 2, 4, 1], [1, 1, 0, 0])
    pairs = [(1, 2), (2, 4), (3, 7), (1, 3), (1, 2)]
    scale = sum(p * g for p, g in pairs) / sum(p * p for p, _ in pairs)
    error = sum((scale * p - g) ** 2 for p, g in pairs)
    found = measure("depth.si_mse_scene", first, second, comparison=ORB)
    assert found == pytest.approx(error / 8)
    inside = measure("depth.si_mse_scene", first, second, comparison=Comparison(scale="scalar"))
    assert inside == pytest.approx(error / 5)
    alone = [measure("depth.si_mse", view, comparison=ORB) for view in (first, second)]
    assert sum(alone) / 2 < found


def test_pooling_weighs_pixels_and_a_mean_weighs_images(measure: Callable[..., Any]) -> None:
    views = item([1, 2, 3], [2, 4, 7]), item([1], [5])
    pooled = Comparison(unit="scene", reduction="pooled")
    assert measure("depth.sq_rel", *views, comparison=pooled) == pytest.approx(
        (1 / 2 + 4 / 4 + 16 / 7 + 16 / 5) / 4
    )
    mean = measure("depth.sq_rel", *views, comparison=Comparison(unit="scene"))
    assert mean == pytest.approx(((1 / 2 + 4 / 4 + 16 / 7) / 3 + 16 / 5) / 2)


def test_a_background_that_counts_is_right(measure: Callable[..., Any]) -> None:
    row = item([1, 2, 3, 9], [2, 4, 7, 1], [1, 1, 1, 0])
    whole = Comparison(mask="zero-outside")
    expected = {
        "abs_rel": (1 / 2 + 1 / 2 + 4 / 7) / 4,
        "delta1": 1 / 4,
        "silog": float(np.var([math.log(p / g) for p, g in [(1, 2), (2, 4), (3, 7), (1, 1)]])),
    }
    for score, value in expected.items():
        assert measure(f"depth.{score}", row, comparison=whole) == pytest.approx(value), score


def test_a_soft_mask_weighs_its_pixels(measure: Callable[..., Any]) -> None:
    row = item([1, 2, 3], [2, 4, 7], [1, 0.25, 0])
    found = measure("depth.sq_rel", row, comparison=Comparison(mask="soft"))
    assert found == pytest.approx((1 / 2 + 0.25 * 1) / 1.25)


def test_a_depth_aligned_below_zero_has_no_logarithm_and_is_within_no_factor(
    measure: Callable[..., Any],
) -> None:
    """NaN is a failure of kind "non-finite" in a run; the other scores stand."""
    row = item([1, 2, 3], [0.1, 0.1, 6])  # the line through them is at −0.88 for the first
    for score in ("silog", "rmse_log", "log10"):
        assert math.isnan(measure(f"depth.{score}", row, comparison=ALIGNED))
        assert measure(f"depth.{score}", row, comparison=GIVEN) > 0
    assert measure("depth.rmse", row, comparison=ALIGNED) > 0
    below = item([1, 2, -3], [1, 2, 3])
    for k in (1, 2, 3):
        assert measure(f"depth.delta{k}", below, comparison=GIVEN) == pytest.approx(2 / 3)


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
    found = measure("depth.rmse_extent", predicting(view, depth=truth + noise), comparison=GIVEN)
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
    found = measure("depth.rmse_extent", predicting(view, depth=bent), comparison=ALIGNED)
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
    whole = measure("depth.rmse_extent", predicting(view, depth=shifted), comparison=GIVEN)
    part = measure("depth.rmse_extent", predicting(view, depth=corner), comparison=GIVEN)
    assert part == pytest.approx(whole, rel=1e-5)


def test_predicting_no_depth_at_all_is_a_failure(
    measure: Callable[..., Any], view: Item, predicting: Callable[..., Item]
) -> None:
    with pytest.raises(InvalidValueError, match="unknown"):
        blank = predicting(view, depth=np.zeros_like(view.target["depth"]))
        measure("depth.rmse", blank, comparison=ALIGNED)

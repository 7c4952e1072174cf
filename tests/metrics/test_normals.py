"""Angular errors against §2 of specs/metrics.md, arccos and torchmetrics."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torchmetrics.functional import cosine_similarity

from bench.api import Item
from bench.errors import InvalidValueError
from bench.metrics.normals.metric import statistics
from bench.protocol import Comparison

SCORES = ("mae", "median", "within_11.25", "within_22.5", "within_30")
COUNTED = Comparison(unknown="counted")
WHOLE = Comparison(mask="zero-outside")
POOLED = Comparison(unit="scene", reduction="pooled")


@pytest.fixture
def wrong(view: Item, predicting: Callable[..., Item]) -> Item:
    """The view with noisy unit normals."""
    noisy = view.target["normal"] + np.random.default_rng(1).normal(0, 0.4, (48, 48, 3))
    noisy /= np.linalg.norm(noisy, axis=-1, keepdims=True)
    return predicting(view, normal=noisy.astype(np.float32))


def degrees_of(item: Item) -> Any:
    inside = item.target["mask"][..., 0] > 0
    cosine = np.sum(item.prediction["normal"] * item.target["normal"].astype(float), axis=-1)
    return np.degrees(np.arccos(np.clip(cosine[inside], -1, 1)))


def test_the_example_of_the_specification() -> None:
    found = statistics(np.array([0.0, 10, 20, 40]))
    assert [found[f"normal.{score}"] for score in SCORES] == [17.5, 15, 50, 75, 75]
    assert found["normal.cosine"] == pytest.approx(0.077364, abs=5e-7)
    assert found["normal.rmse"] == pytest.approx(np.sqrt(2100 / 4))


def test_a_threshold_is_strict() -> None:
    assert statistics(np.array([30.0, 22.5, 11.25]))["normal.within_30"] == pytest.approx(200 / 3)
    assert statistics(np.array([11.25]))["normal.within_11.25"] == 0


def test_errors_are_the_arc_cosine_over_the_mask(measure: Callable[..., Any], wrong: Item) -> None:
    degrees = degrees_of(wrong)
    for score, expected in {
        "mae": degrees.mean(),
        "median": np.median(degrees),
        "rmse": np.sqrt(np.mean(degrees**2)),
        "within_22.5": 100 * np.mean(degrees < 22.5),
    }.items():
        found = measure(f"normal.{score}", wrong, comparison=Comparison())
        assert found == pytest.approx(expected, abs=1e-3)


def test_the_cosine_distance_is_that_of_torchmetrics(
    measure: Callable[..., Any], wrong: Item
) -> None:
    inside = wrong.target["mask"][..., 0] > 0
    pair = (torch.tensor(v["normal"][inside]) for v in (wrong.prediction, wrong.target))
    expected = 1 - float(cosine_similarity(*pair, reduction="mean"))
    found = measure("normal.cosine", wrong, comparison=Comparison())
    assert found == pytest.approx(expected, abs=1e-6)


def test_opposite_normals_are_two_off(
    measure: Callable[..., Any], view: Item, predicting: Callable[..., Item]
) -> None:
    opposite = predicting(view, normal=-view.target["normal"])
    assert measure("normal.cosine", opposite, comparison=Comparison()) == pytest.approx(2)
    assert measure("normal.mae", opposite, comparison=Comparison()) == pytest.approx(180)


def test_length_does_not_matter(
    measure: Callable[..., Any], view: Item, predicting: Callable[..., Item]
) -> None:
    doubled = predicting(view, normal=view.target["normal"] * np.float32(2))
    assert measure("normal.mae", doubled, comparison=Comparison()) == pytest.approx(0, abs=1e-5)


@pytest.fixture
def half(view: Item, predicting: Callable[..., Item]) -> tuple[Item, float]:
    """The view with its upper half predicted right and the rest unknown; the share that is."""
    inside = view.target["mask"][..., 0] > 0
    upper = view.target["normal"].copy()
    upper[24:] = 0
    return predicting(view, normal=upper), inside[:24].sum() / inside.sum()


def test_unknown_normals_are_left_out_and_told(
    measure: Callable[..., Any], half: tuple[Item, float]
) -> None:
    item, share = half
    assert measure("normal.mae", item, comparison=Comparison()) == pytest.approx(0, abs=1e-5)
    assert measure("normal.coverage", item, comparison=Comparison()) == pytest.approx(100 * share)


def test_unknown_normals_that_count_are_a_right_angle_off(
    measure: Callable[..., Any], half: tuple[Item, float]
) -> None:
    item, share = half
    found = {s: measure(f"normal.{s}", item, comparison=COUNTED) for s in ("mae", "cosine")}
    assert found["mae"] == pytest.approx(90 * (1 - share), abs=1e-4)
    assert found["cosine"] == pytest.approx(1 - share, abs=1e-6)
    assert measure("normal.within_30", item, comparison=COUNTED) == pytest.approx(100 * share)
    assert measure("normal.coverage", item, comparison=COUNTED) == pytest.approx(100 * share)


def test_a_background_that_counts_dilutes_the_error_by_the_coverage(
    measure: Callable[..., Any], wrong: Item
) -> None:
    """TensoIR puts (0, 0, 1) behind both and averages over the frame."""
    mask = wrong.target["mask"]
    first, second = (
        np.where(mask > 0, v["normal"], [0, 0, 1]) for v in (wrong.prediction, wrong.target)
    )
    degrees = np.degrees(np.arccos(np.clip(np.sum(first * second, axis=-1), -1, 1)))
    found = {s: measure(f"normal.{s}", wrong, comparison=WHOLE) for s in SCORES}
    assert found["mae"] == pytest.approx(degrees.mean(), abs=1e-4)
    assert found["median"] == pytest.approx(np.median(degrees), abs=0.05)
    assert found["within_11.25"] == pytest.approx(100 * np.mean(degrees < 11.25))


def test_pooling_weighs_pixels_and_a_mean_weighs_images(
    measure: Callable[..., Any], views: tuple[Item, Item], wrong: Item
) -> None:
    exact = views[1]
    wrong.target["mask"] = wrong.target["mask"] * (np.arange(48) < 20)[:, None, None]
    few, many = degrees_of(wrong), np.zeros(int(exact.target["mask"].sum()))
    pooled = measure("normal.mae", wrong, exact, comparison=POOLED)
    assert pooled == pytest.approx(np.concatenate([few, many]).mean(), abs=1e-4)
    mean = measure("normal.mae", wrong, exact, comparison=Comparison(unit="scene"))
    assert mean == pytest.approx(few.mean() / 2, abs=1e-4)


def test_predicting_no_normal_at_all_is_a_failure(
    measure: Callable[..., Any], view: Item, predicting: Callable[..., Item]
) -> None:
    blank = predicting(view, normal=np.zeros_like(view.target["normal"]))
    for comparison in (Comparison(), COUNTED, WHOLE):
        with pytest.raises(InvalidValueError) as caught:
            measure("normal.mae", blank, comparison=comparison)
        assert caught.value.kind == "missing"

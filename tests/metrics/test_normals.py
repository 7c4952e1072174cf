"""Angular errors against §2.1 of specs/metrics.md and arccos."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from bench.api import Item
from bench.errors import InvalidValueError
from bench.metrics.normals.metric import statistics
from bench.protocol import Comparison

SCORES = ("mae", "median", "within_11.25", "within_22.5", "within_30")


def test_the_example_of_the_specification() -> None:
    found = statistics(np.array([0.0, 10, 20, 40]))
    assert [found[f"normal.{score}"] for score in SCORES] == [17.5, 15, 50, 75, 75]


def test_a_threshold_is_strict() -> None:
    assert statistics(np.array([30.0, 22.5, 11.25]))["normal.within_30"] == pytest.approx(200 / 3)
    assert statistics(np.array([11.25]))["normal.within_11.25"] == 0


def test_errors_are_the_arc_cosine_over_the_mask(
    measure: Callable[..., Any], view: Item, predicting: Callable[..., Item]
) -> None:
    rng = np.random.default_rng(1)
    truth, inside = view.target["normal"], view.target["mask"][..., 0] > 0
    noisy = truth + rng.normal(0, 0.4, truth.shape)
    noisy /= np.linalg.norm(noisy, axis=-1, keepdims=True)
    cosine = np.sum(noisy * truth, axis=-1)[inside]
    degrees = np.degrees(np.arccos(np.clip(cosine, -1, 1)))
    wrong = predicting(view, normal=noisy.astype(np.float32))
    for score, expected in {
        "mae": degrees.mean(),
        "median": np.median(degrees),
        "within_22.5": 100 * np.mean(degrees < 22.5),
    }.items():
        found = measure(f"normal.{score}", wrong, comparison=Comparison())
        assert found == pytest.approx(expected, abs=1e-3)


def test_length_does_not_matter(
    measure: Callable[..., Any], view: Item, predicting: Callable[..., Item]
) -> None:
    doubled = predicting(view, normal=view.target["normal"] * np.float32(2))
    assert measure("normal.mae", doubled, comparison=Comparison()) == pytest.approx(0, abs=1e-5)


def test_unknown_normals_are_left_out_and_counted(
    measure: Callable[..., Any], view: Item, predicting: Callable[..., Item]
) -> None:
    truth, inside = view.target["normal"], view.target["mask"][..., 0] > 0
    upper = truth.copy()
    upper[24:] = 0
    half = predicting(view, normal=upper)
    assert measure("normal.mae", half, comparison=Comparison()) == pytest.approx(0, abs=1e-5)
    covered = 100 * inside[:24].sum() / inside.sum()
    assert measure("normal.coverage", half, comparison=Comparison()) == pytest.approx(covered)


def test_predicting_no_normal_at_all_is_a_failure(
    measure: Callable[..., Any], view: Item, predicting: Callable[..., Item]
) -> None:
    blank = predicting(view, normal=np.zeros_like(view.target["normal"]))
    with pytest.raises(InvalidValueError) as caught:
        measure("normal.mae", blank, comparison=Comparison())
    assert caught.value.kind == "missing"

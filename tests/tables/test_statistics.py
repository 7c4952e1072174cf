"""Means over scenes and the paired bootstrap, against enumeration, SciPy and pandas."""

import itertools
import math
from typing import Any

import numpy as np
import pandas as pd
import pytest
import scipy.stats

from bench.tables import statistics


def pandas_scene_means(values: Any, items: Any, scenes: Any) -> statistics.Floats:
    """The readable twin of `scene_means`."""
    frame = pd.DataFrame({"value": values, "item": items, "scene": scenes[items]})
    by_item = frame.groupby(["scene", "item"])["value"].mean()
    return by_item.groupby("scene").mean().reindex(range(scenes.max() + 1)).to_numpy()


def exact_share_above_zero(values: Any) -> float:
    """The probability that the mean of a bootstrap resample is positive, over all resamples."""
    resamples = itertools.product(values, repeat=len(values))
    return sum(sum(resample) > 0 for resample in resamples) / len(values) ** len(values)


def won(values: Any, higher: bool = True) -> statistics.Floats:
    """`advantages` of a table with one unit per scene."""
    places = np.arange(len(values))
    return statistics.advantages(values, places, places, higher)


def bold(values: Any, higher: bool = True) -> set[int]:
    covered = (~np.isnan(values)).sum(axis=0)
    return statistics.best_and_tied(won(values, higher), covered)


def test_queries_are_averaged_within_their_item_and_items_within_their_scene() -> None:
    values = np.array([1.0, 3.0, 10.0, 5.0])
    items, scenes = np.array([0, 0, 1, 2]), np.array([0, 0, 1])
    assert statistics.scene_means(values, items, scenes).tolist() == [6.0, 5.0]


def test_scene_means_agree_with_pandas_where_values_are_missing() -> None:
    rng = np.random.default_rng(1)
    items = rng.integers(40, size=200)
    items[:40] = np.arange(40)
    scenes = np.sort(rng.integers(7, size=40))
    scenes[:7] = np.arange(7)
    values = np.where(rng.random(200) < 0.3, np.nan, rng.normal(size=200))
    expected = pandas_scene_means(values, items, scenes)
    np.testing.assert_allclose(statistics.scene_means(values, items, scenes), expected)


def test_a_scene_without_a_value_is_unknown_not_zero() -> None:
    means = statistics.scene_means(np.array([np.nan, 2.0]), np.array([0, 1]), np.array([0, 1]))
    np.testing.assert_array_equal(means, [np.nan, 2.0])


def test_an_infinite_value_makes_its_scene_and_the_mean_infinite() -> None:
    means = statistics.scene_means(np.array([np.inf, 2.0]), np.array([0, 1]), np.array([0, 1]))
    assert statistics.mean(means) == math.inf


def test_the_mean_of_nothing_is_unknown() -> None:
    assert math.isnan(statistics.mean(np.array([np.nan])))


@pytest.mark.parametrize(
    "values",
    [[1, -1, 2, -2, 3, -2], [5, 1, 1, 1, -2, -3], [0.1, 0.2, -0.1, 0.05, 0.1, 0.3]],
)
def test_resampling_finds_the_probabilities_of_the_enumeration(values: Any) -> None:
    exact = exact_share_above_zero(values)
    share = (statistics.resampled_means(np.array(values, float)) > 0).mean()
    assert abs(share - exact) < 4 * math.sqrt(exact * (1 - exact) / statistics.RESAMPLES) + 1e-4


@pytest.mark.parametrize(
    ("values", "verdict"),
    [
        ([3, 2, 4, 1, 2, 3], True),
        ([9, 9, 9, 9, 9, -1], True),
        ([5, 5, 5, 5, 5, -4], True),
        ([5, 5, 5, 5, 5, -6], False),
    ],
)
def test_the_verdict_is_that_of_the_enumeration(values: Any, verdict: bool) -> None:
    assert (exact_share_above_zero(values) > 0.975) == verdict
    assert statistics.told_apart(np.array(values, float)) == verdict


def test_the_interval_agrees_with_scipy() -> None:
    values = np.random.default_rng(2).gamma(2, size=30)
    reference = scipy.stats.bootstrap(
        (values,), np.mean, n_resamples=9_999, method="percentile", rng=7
    ).confidence_interval
    assert statistics.interval(values) == pytest.approx(tuple(reference), abs=0.03)


def test_the_interval_of_many_normal_numbers_is_the_analytic_one() -> None:
    values = np.random.default_rng(3).normal(size=1_000)
    half = 1.96 * values.std() / math.sqrt(len(values))
    expected = (values.mean() - half, values.mean() + half)
    assert statistics.interval(values) == pytest.approx(expected, abs=0.004)


def test_the_interval_of_one_scene_is_a_point() -> None:
    assert statistics.interval(np.array([4.0])) == (4.0, 4.0)


def test_unanimous_scenes_tell_apart_from_six_on() -> None:
    assert statistics.told_apart(np.full(6, 0.1))
    assert not statistics.told_apart(np.full(5, 0.1))


def test_a_lead_the_wrong_way_or_none_tells_nothing_apart() -> None:
    assert not statistics.told_apart(np.full(12, -0.1))
    assert not statistics.told_apart(np.zeros(12))


def test_scenes_that_are_not_common_do_not_count() -> None:
    lead = np.array([0.1] * 5 + [np.nan] * 7)
    assert not statistics.told_apart(lead)


def test_infinite_leads_are_leads() -> None:
    assert statistics.told_apart(np.full(6, np.inf))
    assert not statistics.told_apart(np.array([np.inf, -np.inf] * 6))


def test_noise_alone_is_rarely_told_apart() -> None:
    draws = np.random.default_rng(4).normal(size=(300, 12))
    assert sum(map(statistics.told_apart, draws)) <= 24


def test_the_same_numbers_always_give_the_same_verdict() -> None:
    values = np.random.default_rng(5).normal(size=12)
    first = statistics.resampled_means(values)
    np.testing.assert_array_equal(first, statistics.resampled_means(values))


def test_advantages_are_paired_by_unit_and_signed_by_direction() -> None:
    values = np.array([[3.0, 1.0], [5.0, 6.0]])
    assert won(values)[0, 1].tolist() == [2.0, -1.0]
    assert won(values)[1, 0].tolist() == [-2.0, 1.0]
    assert won(values, higher=False)[0, 1].tolist() == [-2.0, 1.0]


def test_two_infinite_values_are_a_tie() -> None:
    assert won(np.array([[np.inf, np.inf]]))[0, 1].tolist() == [0.0]


def test_a_clear_winner_stands_alone() -> None:
    scene = np.random.default_rng(6).normal(20, 3, 12)
    assert bold(np.stack([scene, scene + 1, scene - 1], axis=1)) == {1}
    assert bold(np.stack([scene, scene + 1, scene - 1], axis=1), higher=False) == {2}


def test_what_cannot_be_told_from_the_best_shares_the_bold() -> None:
    rng = np.random.default_rng(7)
    scene = rng.normal(20, 3, 12)
    noise = rng.normal(0, 0.5, (12, 2))
    noise -= noise.mean(axis=0)
    values = np.stack([scene, scene + 0.05 + noise[:, 0], scene - 2 + noise[:, 1]], axis=1)
    assert bold(values) == {0, 1}


def test_pairing_tells_apart_what_the_spread_of_scenes_would_hide() -> None:
    scene = np.linspace(5, 40, 12)
    lead = 0.2 + 0.1 * np.sin(np.arange(12))
    assert bold(np.stack([scene, scene + lead], axis=1)) == {1}


def test_worsening_a_tied_row_takes_its_bold_and_a_common_shift_changes_nothing() -> None:
    rng = np.random.default_rng(8)
    values = rng.normal(20, 1, (12, 2))
    values[:, 1] += values[:, 0].mean() - values[:, 1].mean()
    assert bold(values) == {0, 1}
    assert bold(values + 7) == {0, 1}
    assert bold(values - [0, 5]) == {0}


def test_with_full_coverage_the_best_has_the_best_mean() -> None:
    rng = np.random.default_rng(9)
    for _ in range(20):
        values = rng.normal(size=(8, 5))
        assert int(values.mean(axis=0).argmax()) in bold(values)


def test_a_row_that_skips_the_hard_scenes_competes_on_the_common_ones() -> None:
    scene = np.array([30.0] * 8 + [10.0] * 4)
    skipping = np.where(scene > 20, scene - 1, np.nan)
    values = np.stack([scene, skipping], axis=1)
    assert np.nanmean(values[:, 1]) > values[:, 0].mean()
    assert bold(values) == {0}


def test_an_incomplete_row_may_win() -> None:
    scene = np.linspace(10, 30, 12)
    values = np.stack([scene, scene + 2], axis=1)
    values[3, 1] = np.nan
    assert bold(values) == {1}


def test_a_row_that_failed_nearly_everywhere_does_not_compete() -> None:
    scene = np.linspace(10, 30, 12)
    values = np.stack([scene, scene - 1, np.where(np.arange(12) < 2, 99.0, np.nan)], axis=1)
    assert bold(values) == {0}


def test_a_row_that_competes_alone_is_not_bold() -> None:
    values = np.stack([np.arange(12.0), np.full(12, np.nan)], axis=1)
    assert bold(values) == set()
    assert bold(values[:, :1]) == set()


def test_too_few_scenes_tie_everybody_who_has_them_all() -> None:
    values = np.array([[1.0, 9.0, 9.0], [2.0, 9.0, np.nan]])
    assert bold(values) == {0, 1}

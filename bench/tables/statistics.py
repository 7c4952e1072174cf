"""Means over scenes, and the paired bootstrap over scenes that decides who shares the bold.

A scene is the unit of analysis: items of one scene are correlated, so they are averaged first
(specs/metrics.md §15). A percentile bootstrap is used; its draws are the same in every call.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Integers = NDArray[np.integer[Any]]

RESAMPLES = 9_999
LEVEL = 0.95
SEED = 0
# With five scenes even a unanimous verdict has p = 2/2⁵ > 0.05 in the exact sign-flip test.
FEWEST_SCENES = 6

_CHUNK = 4_000_000


def scene_means(values: Floats, items: Integers, scenes: Integers) -> Floats:
    """The mean of each scene's item means: units are averaged within their item first.

    Args:
        values: U numbers, NaN where a unit has none; infinite ones count.
        items: U indices of the item a unit belongs to.
        scenes: I indices of the scene an item belongs to.

    Returns:
        S means, one per scene, NaN where no unit of the scene has a value or ∞ met −∞.
    """
    known = ~np.isnan(values)
    item_means = _grouped_means(values[known], items[known], len(scenes))  # I
    measured = ~np.isnan(item_means)
    count = int(scenes.max(initial=-1)) + 1
    return _grouped_means(item_means[measured], scenes[measured], count)  # S


def mean(values: Floats) -> float:
    """The mean of what is not NaN; NaN where nothing is, or where ∞ meets −∞."""
    known = values[~np.isnan(values)]
    with np.errstate(invalid="ignore"):
        return float(known.mean()) if known.size else float("nan")


def deviation(values: Floats) -> float | None:
    """The population standard deviation of what is not NaN; None where it is not finite."""
    known = values[~np.isnan(values)]
    return float(known.std()) if known.size and np.isfinite(known).all() else None


def resampled_means(values: Floats) -> Floats:
    """`RESAMPLES` means of n numbers drawn n at a time with replacement, n ≥ 1."""
    draws = np.random.default_rng(SEED)
    means = np.empty(RESAMPLES)
    step = max(1, _CHUNK // len(values))
    with np.errstate(invalid="ignore"):
        for start in range(0, RESAMPLES, step):
            chunk = means[start : start + step]
            picked = values[draws.integers(len(values), size=(len(chunk), len(values)))]  # step×n
            chunk[:] = picked.mean(axis=1)
    return means


def interval(values: Floats) -> tuple[float, float]:
    """The percentile bootstrap interval, at `LEVEL`, of the mean of the finite ones among n ≥ 1."""
    tail = (1 - LEVEL) / 2
    low, high = np.quantile(resampled_means(values[np.isfinite(values)]), [tail, 1 - tail])
    return float(low), float(high)


def told_apart(advantage: Floats) -> bool:
    """Whether a mean advantage over scenes lies above zero beyond chance.

    That is, whether the lower end of the two-sided bootstrap interval of the mean at `LEVEL` is
    above zero. Scenes that are NaN (not common to both) are left out; fewer than `FEWEST_SCENES`
    tell nothing apart.
    """
    common = advantage[~np.isnan(advantage)]
    if len(common) < FEWEST_SCENES:
        return False
    above = int((resampled_means(common) > 0).sum())
    return above > RESAMPLES * (1 - (1 - LEVEL) / 2)


def advantages(values: Floats, items: Integers, scenes: Integers, higher: bool) -> Floats:
    """By how much each row beats each other one, scene by scene, on the units common to both.

    Args:
        values: U×R numbers, NaN where a row has none.
        items: see `scene_means`.
        scenes: see `scene_means`.
        higher: whether a higher number is better.

    Returns:
        R×R×S; [i, j] is positive in the scenes where row i is better than row j.
    """
    rows, count = values.shape[1], int(scenes.max(initial=-1)) + 1
    result = np.zeros((rows, rows, count))
    for i in range(rows):
        for j in range(i + 1, rows):
            paired = scene_means(_differences(values[:, i], values[:, j]), items, scenes)  # S
            result[i, j] = paired if higher else -paired
            result[j, i] = -result[i, j]
    return result


def best_and_tied(advantages: Floats, scenes_covered: Integers) -> set[int]:
    """The rows to be set in bold: the best, and those that cannot be told apart from it.

    The best wins most pairwise comparisons on common scenes; with full coverage that is the best
    mean. A row competes where it covers at least `FEWEST_SCENES` scenes, or all where there are
    fewer, lest a method that failed nearly everywhere ties with everybody. Empty where fewer than
    two rows compete.

    Args:
        advantages: R×R×S, see the function of that name.
        scenes_covered: R counts of scenes in which a row has a value.
    """
    needed = max(1, min(FEWEST_SCENES, advantages.shape[2]))
    competing = np.flatnonzero(scenes_covered >= needed)
    if len(competing) < 2:
        return set()
    wins = [sum(mean(advantages[i, j]) > 0 for j in competing if j != i) for i in competing]
    best = int(competing[int(np.argmax(wins))])
    return {int(j) for j in competing if j == best or not told_apart(advantages[best, j])}


def _differences(first: Floats, second: Floats) -> Floats:
    # Two infinite values are a tie, not an undefined difference.
    with np.errstate(invalid="ignore"):
        return np.where(first == second, 0.0, first - second)


def _grouped_means(values: Floats, groups: Integers, count: int) -> Floats:
    with np.errstate(invalid="ignore"):
        sums = np.bincount(groups, values, minlength=count)
        sizes = np.bincount(groups, minlength=count)
        return np.where(sizes > 0, sums / np.maximum(sizes, 1), np.nan)

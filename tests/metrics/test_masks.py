"""Overlap of masks against counting pixels."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from bench.api import Item
from bench.protocol.named import NEUTRAL

HOW = dict(NEUTRAL.comparisons("mask.iou"))[""]


def test_overlap_is_the_shared_share_of_all_pixels_in_either(
    measure: Callable[..., Any], view: Item, predicting: Callable[..., Item]
) -> None:
    view.target["mask"] = np.zeros((48, 48, 1), np.float32)
    view.target["mask"][10:30, 10:30] = 1
    found = np.zeros((48, 48, 1), np.float32)
    found[20:40, 10:30] = 0.6  # inside, though soft
    found[0, 0] = 0.4  # outside
    overlap = measure("mask.iou", predicting(view, mask=found), comparison=HOW)
    assert overlap == pytest.approx(10 * 20 / (30 * 20))


def test_a_mask_of_another_size_is_resized(
    measure: Callable[..., Any], view: Item, predicting: Callable[..., Item]
) -> None:
    large = np.kron(view.target["mask"][..., 0], np.ones((4, 4)))[..., None].astype(np.float32)
    found = measure("mask.iou", predicting(view, mask=large), comparison=HOW)
    assert found > 0.97


def test_a_mask_that_misses_everything_is_worth_nothing_and_two_empty_ones_are_undefined(
    measure: Callable[..., Any], view: Item, predicting: Callable[..., Item]
) -> None:
    empty = predicting(view, mask=np.zeros((48, 48, 1), np.float32))
    assert measure("mask.iou", empty, comparison=HOW) == 0
    view.target["mask"] = np.zeros((48, 48, 1), np.float32)
    assert measure("mask.iou", empty, comparison=HOW) is None

"""Errors of scalar material maps inside the mask and over the frame, against torchmetrics."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torchmetrics.functional import mean_squared_error

from bench.api import Item, Key
from bench.protocol import Comparison

WHOLE = Comparison(mask="zero-outside", background=1.0)


def mapped(quantity: str, seed: int = 0, inside: float = 0.3) -> Item:
    """A noisy map of 24×20 pixels of which a share lies inside."""
    rng = np.random.default_rng(seed)
    predicted, truth = rng.random((2, 24, 20, 1)).astype(np.float32)
    mask = (rng.random((24, 20, 1)) < inside).astype(np.float32)
    return Item(Key("a", str(seed)), None, {quantity: predicted}, {quantity: truth, "mask": mask})


def lists(item: Item, quantity: str) -> list[torch.Tensor]:
    inside = item.target["mask"] > 0
    return [torch.tensor(v[quantity][inside]).double() for v in (item.prediction, item.target)]


@pytest.mark.parametrize("quantity", ["roughness", "metallic", "specular"])
def test_error_is_root_mean_square_inside_the_mask(
    measure: Callable[..., Any], quantity: str
) -> None:
    item = mapped(quantity)
    expected = float(mean_squared_error(*lists(item, quantity), squared=False))
    found = measure(f"{quantity}.rmse", item, comparison=Comparison())
    assert found == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("quantity", ["roughness", "metallic"])
def test_synthetic4relight_averages_over_the_frame_with_white_behind_both(
    measure: Callable[..., Any], quantity: str
) -> None:
    item = mapped(quantity)
    composed = [
        torch.tensor(np.where(item.target["mask"] > 0, v[quantity], 1))
        for v in (item.prediction, item.target)
    ]
    expected = float(mean_squared_error(*composed))
    assert measure(f"{quantity}.mse", item, comparison=WHOLE) == pytest.approx(expected, rel=1e-6)
    inside = measure(f"{quantity}.mse", item, comparison=Comparison())
    assert inside * np.mean(item.target["mask"]) == pytest.approx(expected, rel=1e-6)


def test_pooling_weighs_pixels_and_a_mean_weighs_images(measure: Callable[..., Any]) -> None:
    items = [mapped("roughness", 1, 0.2), mapped("roughness", 2, 0.9)]
    pooled = Comparison(unit="scene", reduction="pooled")
    joined = [torch.cat(part) for part in zip(*(lists(i, "roughness") for i in items), strict=True)]
    expected = float(mean_squared_error(*joined, squared=False))
    found = measure("roughness.rmse", *items, comparison=pooled)
    assert found == pytest.approx(expected, rel=1e-6)
    each = [float(mean_squared_error(*lists(i, "roughness"), squared=False)) for i in items]
    mean = measure("roughness.rmse", *items, comparison=Comparison(unit="scene"))
    assert mean == pytest.approx(np.mean(each), rel=1e-6)


def test_no_roughness_at_all_is_as_far_off_as_the_truth(measure: Callable[..., Any]) -> None:
    item = mapped("roughness")
    black = Item(item.key, None, {"roughness": 0 * item.target["roughness"]}, item.target)
    power = float((lists(item, "roughness")[1] ** 2).mean())
    assert measure("roughness.mse", black, comparison=Comparison()) == pytest.approx(power)
    item.target["mask"] *= 0
    assert measure("roughness.mse", item, comparison=Comparison()) is None

"""Roughness and specular errors inside the mask."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from bench.api import Item
from bench.protocol import Comparison


@pytest.mark.parametrize("quantity", ["roughness", "specular"])
def test_error_is_root_mean_square_inside_the_mask(
    measure: Callable[..., Any], view: Item, predicting: Callable[..., Item], quantity: str
) -> None:
    truth, inside = view.target[quantity], view.target["mask"][..., 0] > 0
    noise = np.random.default_rng(0).normal(0, 0.1, truth.shape).astype(np.float32)
    wrong = predicting(view, **{quantity: truth + noise})
    expected = np.sqrt(np.mean(noise[inside].astype(float) ** 2))
    found = measure(f"{quantity}.rmse", wrong, comparison=Comparison())
    assert found == pytest.approx(expected, rel=1e-5)

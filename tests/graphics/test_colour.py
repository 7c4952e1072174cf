from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from skimage.color import rgb2gray

from bench.graphics import colour

Array = NDArray[np.floating[Any]]


@pytest.mark.parametrize(
    ("linear", "encoded"),
    [(0, 0), (1, 1), (0.0031308, 0.0404499), (0.214041, 0.5), (0.18, 0.461356), (0.004, 0.0507087)],
)
def test_srgb_takes_its_published_values(linear: float, encoded: float) -> None:
    assert colour.srgb_encode(np.array(linear)) == pytest.approx(encoded, abs=1e-6)


@pytest.mark.parametrize(
    ("encode", "decode"),
    [
        (colour.srgb_encode, colour.srgb_decode),
        (colour.gamma_encode, colour.gamma_decode),
    ],
)
def test_decoding_undoes_encoding_below_zero_and_above_one_too(
    encode: Callable[[Array], Array], decode: Callable[[Array], Array]
) -> None:
    linear = np.linspace(-0.5, 20, 1001)
    np.testing.assert_allclose(decode(encode(linear)), linear, atol=1e-7)
    assert np.all(np.diff(encode(linear)) > 0)


def test_gamma_is_two_point_two() -> None:
    assert colour.gamma_decode(np.array(0.5)) == pytest.approx(0.217638, abs=1e-6)


def test_luminance_equals_skimage() -> None:
    image = np.random.default_rng(0).random((4, 5, 3))
    result = colour.luminance(image)
    assert result.shape == (4, 5, 1)
    np.testing.assert_allclose(result[..., 0], rgb2gray(image), atol=2e-4)
    assert colour.luminance(np.ones(3)) == pytest.approx(1)


def test_single_precision_is_kept() -> None:
    image = np.ones((2, 2, 3), np.float32)
    for function in (
        colour.srgb_encode,
        colour.srgb_decode,
        colour.gamma_encode,
        colour.gamma_decode,
        colour.luminance,
    ):
        assert function(image).dtype == np.float32


def test_nan_stays_nan() -> None:
    assert np.isnan(colour.srgb_encode(np.array([np.nan]))).all()
    assert np.isnan(colour.srgb_decode(np.array([np.nan]))).all()

"""PSNR and SSIM of relit and novel views, with scikit-image as oracle."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from skimage.metrics import structural_similarity

from bench.api import Item
from bench.metrics.images.ssim import ssim
from bench.protocol import Comparison
from bench.protocol.apply import prepare

Array = NDArray[np.floating[Any]]


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(6)


def oracle(first: Array, second: Array, peak: float = 1.0) -> float:
    return structural_similarity(
        first, second, channel_axis=-1, data_range=peak,
        gaussian_weights=True, sigma=1.5, use_sample_covariance=False,
    )  # fmt: skip


def test_ssim_is_the_golden_number(golden: Any) -> None:
    comparison = Comparison(space="srgb", clip=(0, 1), mask="zero-outside", erosion=5)
    prepared = prepare(golden.prediction, golden.target, golden.mask, comparison)
    assert ssim(*prepared.frames()) == pytest.approx(0.962669, abs=1e-6)


@pytest.mark.parametrize("size", [(11, 11, 3), (40, 63, 3), (64, 64, 1)])
@pytest.mark.parametrize("peak", [1.0, 4.0])
def test_ssim_agrees_with_skimage(
    rng: np.random.Generator, size: tuple[int, ...], peak: float
) -> None:
    first = rng.random(size)
    second = np.clip(first + rng.normal(0, 0.2, size), 0, 1)
    assert ssim(first, second, "gauss11", peak) == pytest.approx(oracle(first, second, peak), abs=1e-6)


@pytest.mark.parametrize(
    "box", [np.s_[20:30, 25:60], np.s_[0:5, 0:5], np.s_[63:, 70:], np.s_[31:32, 40:41], np.s_[0:0]]
)
def test_ssim_skips_only_what_is_empty(rng: np.random.Generator, box: Any) -> None:
    first, second = np.zeros((2, 64, 80, 3))
    first[box] = rng.random(first[box].shape)
    second[box][::2] = rng.random(second[box][::2].shape)
    assert ssim(first, second) == pytest.approx(oracle(first, second), abs=1e-6)


def test_ssim_is_symmetric(rng: np.random.Generator) -> None:
    first, second = rng.random((2, 30, 30, 3))
    assert ssim(first, second) == pytest.approx(ssim(second, first), abs=1e-15)


def test_ssim_of_a_frame_smaller_than_its_window_is_undefined(
    measure: Callable[..., Any], view: Item, predicting: Callable[..., Item]
) -> None:
    small = np.ones((10, 30, 3), np.float32)
    view.target.update(relit=small, mask=small[..., :1])
    tiny = predicting(view, relit=small)
    assert measure("relit.ssim", tiny, comparison=Comparison()) is None


def test_psnr_reads_the_query_and_its_mask(
    measure: Callable[..., Any], view: Item, predicting: Callable[..., Item]
) -> None:
    half = view.target["mask"].copy()
    half[:, :24] = 0
    wrong = view.target["relit"] + np.float32(0.01)
    wrong[:, :24] += 1
    view.target["mask"] = half
    found = measure("relit.psnr", predicting(view, relit=wrong), comparison=Comparison())
    assert found == pytest.approx(40, abs=1e-3)
    assert measure("view.psnr", predicting(view, relit=wrong), comparison=Comparison()) == np.inf


def test_psnr_hdr_sees_what_clipping_hides(
    measure: Callable[..., Any], view: Item, predicting: Callable[..., Item]
) -> None:
    bright = view.target["relit"] + np.float32(2)
    view.target["relit"] = bright
    brighter = predicting(view, relit=bright + 1)
    shown = Comparison(space="srgb", clip=(0, 1))
    assert measure("relit.psnr", brighter, comparison=shown) == np.inf
    assert measure("relit.psnr_hdr", brighter, comparison=Comparison()) == pytest.approx(0)

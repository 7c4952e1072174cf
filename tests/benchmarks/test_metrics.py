"""Seconds that image metrics take, against others' code in the same run; two threads."""

import time
from collections.abc import Callable, Iterator
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from pytest_benchmark.fixture import BenchmarkFixture
from skimage.metrics import (
    mean_squared_error,
    peak_signal_noise_ratio,
    structural_similarity,
)

import bench
from bench.graphics.colour import srgb_encode
from bench.metrics.images.ssim import ssim

Array = NDArray[np.floating[Any]]

COUNT, SIZE, COVERAGE = 16, 512, 0.4
WANTED = ("*.psnr", "*.psnr_hdr", "*.ssim", "*.l1", "albedo.si_mse")


@pytest.fixture(autouse=True)
def two_threads() -> Iterator[None]:
    before = torch.get_num_threads(), cv2.getNumThreads()
    torch.set_num_threads(2)
    cv2.setNumThreads(2)
    yield
    torch.set_num_threads(before[0])
    cv2.setNumThreads(before[1])


@pytest.mark.parametrize("size", [(512, 512), (1080, 1920)], ids=["512", "1080p"])
def test_ssim_is_four_times_as_fast_as_nerfbaselines(
    benchmark: BenchmarkFixture, size: tuple[int, int]
) -> None:
    theirs = pytest.importorskip("nerfbaselines.metrics", reason="needs pip install nerfbaselines")
    rng = np.random.default_rng(0)
    first = rng.random((*size, 3))
    second = np.clip(first + rng.normal(0, 0.1, first.shape), 0, 1)
    assert ssim(first, second) == pytest.approx(float(theirs.dmpix_ssim(first, second)), abs=1e-6)
    benchmark.pedantic(ssim, args=(first, second), rounds=15, warmup_rounds=2)
    other = best(lambda: theirs.dmpix_ssim(first, second), rounds=5)
    benchmark.extra_info["times as fast"] = ratio = other / benchmark.stats.stats.min
    assert ratio >= 4


def test_a_batch_is_three_times_as_fast_as_skimage_in_a_loop(benchmark: BenchmarkFixture) -> None:
    prediction, target = pictures()
    expected = [by_skimage(*item) for item in items(prediction, target)]
    found = suite(prediction, target)
    for name in expected[0]:
        np.testing.assert_allclose(found[name], [e[name] for e in expected], 1e-5, err_msg=name)
    assert found.keys() == expected[0].keys()
    benchmark.pedantic(suite, args=(prediction, target), rounds=5, warmup_rounds=1)
    other = best(lambda: [by_skimage(*item) for item in items(prediction, target)], rounds=3)
    benchmark.extra_info["times as fast"] = ratio = other / benchmark.stats.stats.min
    assert ratio >= 3


def test_a_batch_on_the_cpu_is_no_slower_than_its_items(benchmark: BenchmarkFixture) -> None:
    prediction, target = pictures()
    benchmark.pedantic(suite, args=(prediction, target), rounds=5, warmup_rounds=1)
    loop = best(lambda: [suite(*item) for item in items(prediction, target)], rounds=3)
    benchmark.extra_info["times as fast"] = ratio = loop / benchmark.stats.stats.min
    assert ratio >= 1


@pytest.mark.gpu
def test_a_batch_on_a_gpu_is_ten_times_as_fast_as_one_by_one(benchmark: BenchmarkFixture) -> None:
    if not torch.cuda.is_available():
        pytest.skip("needs a CUDA device")
    prediction, target = pictures()
    there = [{n: torch.from_numpy(a).cuda() for n, a in p.items()} for p in (prediction, target)]

    def batched() -> None:
        suite(*there)
        torch.cuda.synchronize()

    benchmark.pedantic(batched, rounds=20, warmup_rounds=3)
    singles = [[{n: t[i : i + 1] for n, t in p.items()} for p in there] for i in range(COUNT)]

    def one_by_one() -> None:
        for single in singles:
            suite(*single)
        torch.cuda.synchronize()

    loop = best(one_by_one, rounds=5)
    benchmark.extra_info["times as fast"] = ratio = loop / benchmark.stats.stats.min
    assert ratio >= 10


def pictures() -> tuple[dict[str, Array], dict[str, Array]]:
    """Predictions and targets of a batch, linear, of an object that covers part of the frame."""
    rng = np.random.default_rng(1)
    target = rng.random((COUNT, SIZE, SIZE, 3), np.float32)
    prediction = (target + rng.normal(0, 0.1, target.shape).astype(np.float32)).clip(0)
    axis = (np.arange(SIZE) + 0.5) / SIZE * 2 - 1
    disc = np.hypot(*np.meshgrid(axis, axis)) < 2 * (COVERAGE / np.pi) ** 0.5
    mask = np.broadcast_to(disc[None, ..., None], (COUNT, SIZE, SIZE, 1)).astype(np.float32)
    given = {"relit": prediction, "albedo": prediction}
    return given, {"relit": target, "albedo": target, "mask": mask}


def items(
    prediction: dict[str, Array], target: dict[str, Array]
) -> Iterator[tuple[dict[str, Array], dict[str, Array]]]:
    for index in range(COUNT):
        first, second = ({n: a[index] for n, a in p.items()} for p in (prediction, target))
        yield first, second


def suite(prediction: Any, target: Any) -> Any:
    """The image metrics of `neutral` but LPIPS, FLIP and LMSE, which scikit-image does not have."""
    return bench.score(prediction, target, metrics=WANTED)


def by_skimage(prediction: dict[str, Array], target: dict[str, Array]) -> dict[str, float]:
    """The same of one item; what metrics share is computed once."""
    inside = target["mask"][..., 0] > 0.5
    values: dict[str, float] = {}
    first, second = (part["relit"].astype(np.float64) for part in (prediction, target))
    for column, scale in (("", "none"), ("/aligned", "channel")):
        scaled = first * fitted(first[inside], second[inside], scale)
        linear, shown = (scaled, second), (display(scaled), display(second))
        values[f"relit.psnr_hdr{column}"] = decibels(linear, inside)
        values[f"relit.psnr{column}"] = decibels(shown, inside)
        values[f"relit.l1{column}"] = 255 * np.abs(shown[0] - shown[1])[inside].mean()
        values[f"relit.ssim{column}"] = similarity(shown, inside)
    first, second = (part["albedo"].astype(np.float64) for part in (prediction, target))
    for column, scale in (("", "channel"), ("/single", "scalar")):
        scaled = first * fitted(first[inside], second[inside], scale)
        values[f"albedo.psnr{column}"] = decibels((scaled, second), inside)
        values[f"albedo.si_mse{column}"] = mean_squared_error(scaled[inside], second[inside])
        values[f"albedo.ssim{column}"] = similarity((display(scaled), display(second)), inside)
    return values


def fitted(prediction: Array, target: Array, scale: str) -> Any:
    axis = {"none": None, "scalar": None, "channel": 0}[scale]
    return 1 if scale == "none" else (prediction * target).sum(axis) / (prediction**2).sum(axis)


def display(image: Array) -> Array:
    return srgb_encode(np.clip(image, 0, 1))


def decibels(pair: tuple[Array, Array], inside: Any) -> float:
    first, second = (image[inside] for image in pair)
    return float(peak_signal_noise_ratio(second, first, data_range=1.0))


def similarity(pair: tuple[Array, Array], inside: Any) -> float:
    first, second = (image * inside[..., None] for image in pair)
    return float(
        structural_similarity(
            first, second, channel_axis=-1, data_range=1.0,
            gaussian_weights=True, sigma=1.5, use_sample_covariance=False,
        )
    )  # fmt: skip


def best(call: Callable[[], object], rounds: int) -> float:
    """Seconds of the fastest round."""
    seconds = []
    for _ in range(rounds):
        start = time.perf_counter()
        call()
        seconds.append(time.perf_counter() - start)
    return min(seconds)

"""PSNR, SSIM and L1 of images; scikit-image, torchmetrics, kornia and formulas are the oracles."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.signal import convolve2d
from skimage.metrics import structural_similarity

import bench
from bench.api import Item, Key
from bench.metrics.images.ssim import ssim
from bench.plugins import load, registry
from bench.protocol import Comparison
from bench.protocol.apply import prepare, prepare_items
from bench.protocol.named import NEUTRAL

Array = NDArray[np.floating[Any]]


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(6)


def skimage_gaussian(first: Array, second: Array, peak: float) -> float:
    return structural_similarity(
        first, second, channel_axis=-1, data_range=peak,
        gaussian_weights=True, sigma=1.5, use_sample_covariance=False,
    )  # fmt: skip


def skimage_default(first: Array, second: Array, peak: float) -> float:
    return structural_similarity(first, second, channel_axis=-1, data_range=peak)


def kornia_three_taps(first: Array, second: Array, peak: float) -> float:
    kornia = pytest.importorskip("kornia")
    similarity = kornia.metrics.ssim(tensor(first), tensor(second), 3, peak)
    return float(1 - 2 * ((1 - similarity) / 2).clamp(0, 1).mean())


def zero_padded(first: Array, second: Array, peak: float) -> float:
    """3DGS: a window of 11×11 numbers, convolved with zeros beyond the border."""
    offsets = np.arange(11) - 5
    window = np.exp(-(offsets[:, None] ** 2 + offsets**2) / (2 * 1.5**2))
    window /= window.sum()

    def means(image: Array) -> Array:
        channels = [convolve2d(c, window, mode="same") for c in np.moveaxis(image, -1, 0)]
        return np.array(channels)

    one, two = means(first), means(second)
    above = (2 * one * two + (0.01 * peak) ** 2) * (
        2 * (means(first * second) - one * two) + (0.03 * peak) ** 2
    )
    below = (one**2 + two**2 + (0.01 * peak) ** 2) * (
        means(first**2) - one**2 + means(second**2) - two**2 + (0.03 * peak) ** 2
    )
    return float((above / below).mean())


ORACLES: Mapping[str, Callable[[Array, Array, float], float]] = {
    "gauss11": skimage_gaussian,
    "gauss11-zero": zero_padded,
    "uniform7": skimage_default,
    "gauss3": kornia_three_taps,
}


def tensor(image: Array) -> Any:
    import torch

    return torch.from_numpy(np.moveaxis(image, -1, 0)[None].copy())  # 1×C×H×W


def golden_pair(golden: Any, **said: Any) -> Any:
    comparison = Comparison(space="srgb", clip=(0, 1), mask="zero-outside", erosion=5, **said)
    return prepare(golden.prediction, golden.target, golden.mask, comparison)


@pytest.mark.parametrize(
    ("window", "scale", "expected"),
    [
        ("gauss11", "none", 0.962669),
        ("gauss11-zero", "none", 0.978304),
        ("uniform7", "none", 0.962144),
        ("gauss3", "none", 0.977610),
        ("gauss3", "channel", 0.992848),
    ],
)
def test_ssim_is_the_golden_number(golden: Any, window: Any, scale: Any, expected: float) -> None:
    prepared = golden_pair(golden, scale=scale)
    assert ssim(*prepared.frames(), window) == pytest.approx(expected, abs=5.1e-7)


def test_ssim_averaged_inside_is_the_golden_number(golden: Any) -> None:
    prepared = golden_pair(golden)
    inside = ssim(*prepared.frames(), "uniform7", inside=prepared.inside)
    whole = ssim(*prepared.frames(), "uniform7", inside=np.ones((32, 32), bool))
    assert (inside, whole) == pytest.approx((0.941916, 0.975009), abs=5.1e-7)


@pytest.mark.parametrize("window", ORACLES)
@pytest.mark.parametrize("size", [(11, 11, 3), (40, 63, 3), (150, 64, 1)])
@pytest.mark.parametrize("peak", [1.0, 4.0])
def test_ssim_agrees_with_others(
    rng: np.random.Generator, window: Any, size: tuple[int, ...], peak: float
) -> None:
    first = rng.random(size)
    second = np.clip(first + rng.normal(0, 0.2, size), 0, 1)
    expected = ORACLES[window](first, second, peak)
    assert ssim(first, second, window, peak) == pytest.approx(expected, abs=1e-6)


def test_ssim_agrees_with_torchmetrics(rng: np.random.Generator) -> None:
    functional = pytest.importorskip("torchmetrics.functional.image")
    first = rng.random((40, 63, 3))
    second = np.clip(first + rng.normal(0, 0.2, first.shape), 0, 1)
    _, similarity = functional.structural_similarity_index_measure(
        tensor(first), tensor(second), data_range=1.0, return_full_image=True
    )
    # Its own mean takes the mirrored border in.
    whole = float(similarity[..., 5:-5, 5:-5].mean())
    assert ssim(first, second) == pytest.approx(whole, abs=1e-6)


@pytest.mark.parametrize("window", ["gauss11", "uniform7"])
def test_ssim_inside_a_mask_is_the_mean_of_skimages_map(
    rng: np.random.Generator, window: str
) -> None:
    first, second = np.zeros((2, 90, 70, 3))
    inside = np.zeros((90, 70), bool)
    inside[:80, 20:70] = rng.random((80, 50)) > 0.2
    first[inside], second[inside] = rng.random((2, inside.sum(), 3))
    gaussian: Any = {"gaussian_weights": True, "use_sample_covariance": False}
    _, similarity = structural_similarity(
        first, second, channel_axis=-1, data_range=1.0, full=True,
        **(gaussian if window == "gauss11" else {}),
    )  # fmt: skip
    found = ssim(first, second, window, inside=inside)
    assert found == pytest.approx(similarity[inside].mean(), abs=1e-6)


@pytest.mark.parametrize(
    "box", [np.s_[20:30, 25:60], np.s_[0:5, 0:5], np.s_[63:, 70:], np.s_[31:32, 40:41], np.s_[0:0]]
)
@pytest.mark.parametrize("window", ORACLES)
def test_ssim_skips_only_what_is_equal(rng: np.random.Generator, box: Any, window: Any) -> None:
    first, second = np.zeros((2, 64, 80, 3))
    first[box] = rng.random(first[box].shape)
    second[box][::2] = rng.random(second[box][::2].shape)
    assert ssim(first, second, window) == pytest.approx(
        ORACLES[window](first, second, 1.0), abs=1e-6
    )


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


def test_l1_is_the_golden_number(golden: Any) -> None:
    stored = Comparison(mask="full", clip=(0, 1), levels=255, rounding="down")
    target = {"view": golden.target / 1.5, "mask": golden.mask}
    item = Item(Key("", ""), None, {"view": golden.prediction / 1.5}, target)
    assert call("view-l1", item, stored) == pytest.approx({"view.l1": 40.182943}, abs=5.1e-7)
    assert call("view-psnr", item, stored) == pytest.approx({"view.psnr": 14.173170}, abs=5.1e-7)


def test_l1_goes_over_the_comparisons_pixels(golden: Any) -> None:
    target = {"relit": golden.target, "mask": golden.mask / 2}
    item = Item(Key("", ""), None, {"relit": golden.prediction}, target)
    inside = golden.mask[..., 0] > 0
    difference = np.abs(golden.prediction - golden.target)[inside]
    for said, expected in {
        Comparison(threshold=0.2): 255 * difference.mean(),
        Comparison(threshold=0.2, mask="zero-outside"): 255 * difference.sum() / 32**2 / 3,
        Comparison(mask="soft"): 255 * difference.mean(),
    }.items():
        assert call("relit-l1", item, said)["relit.l1"] == pytest.approx(expected)


@pytest.mark.parametrize("card", ["relit-psnr", "relit-ssim", "relit-l1"])
def test_a_unit_of_several_images_shares_a_scale_and_is_averaged(golden: Any, card: str) -> None:
    items = [
        Item(Key("", str(k)), None, {"relit": golden.prediction}, {"relit": k * golden.target})
        for k in (1, 2)
    ]
    said = Comparison(scale="scalar", unit="scene")
    shared = prepare_items(items, "relit", said)
    alone = [
        Item(i.key, None, {"relit": p.frames()[0]}, {"relit": p.frames()[1]})
        for i, p in zip(items, shared, strict=True)
    ]
    expected = np.mean([[*call(card, item, Comparison()).values()] for item in alone])
    (found,) = call(card, items, said).values()
    assert found == pytest.approx(expected)


def test_a_pooled_unit_weighs_images_by_their_pixels(rng: np.random.Generator) -> None:
    pairs = [rng.random((2, side, side, 3)) for side in (20, 40)]
    items = [Item(Key("", ""), None, {"view": p}, {"view": t}) for p, t in pairs]
    pooled = Comparison(reduction="pooled")
    l1 = np.abs(np.concatenate([(p - t).ravel() for p, t in pairs])).mean()
    assert call("view-l1", items, pooled)["view.l1"] == pytest.approx(255 * l1)
    expected = np.average([ssim(p, t) for p, t in pairs], weights=[20**2, 40**2])
    assert call("view-ssim", items, pooled)["view.ssim"] == pytest.approx(expected)


def call(name: str, items: Any, comparison: Comparison) -> dict[str, float]:
    """What the metric of a card says of an item, or of several."""
    card = registry().find("metric", name)
    metric: Any = load(card.implementation)(card)
    return dict(metric(items if isinstance(items, list) else [items], comparison))


@pytest.mark.parametrize("quantity", ["albedo", "shading"])
def test_dssim_is_half_of_what_scikit_image_finds_missing(
    rng: np.random.Generator, quantity: str
) -> None:
    first, second = rng.random((2, 40, 50, 3))
    found = bench.score({quantity: first}, {quantity: second}, metrics=(f"{quantity}.dssim",))
    comparison = dict(NEUTRAL.comparisons(f"{quantity}.dssim"))[""]
    prepared = prepare(first, second, None, comparison)
    assert prepared is not None
    expected = (1 - skimage_gaussian(*prepared.frames(), 1.0)) / 2
    assert found[f"{quantity}.dssim"] == pytest.approx(expected, abs=1e-6)

"""PSNR, si-MSE and LMSE against §5 and §14 of specs/metrics.md, slow twins and torch."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torchmetrics.functional.image import peak_signal_noise_ratio

from bench.api import Item, Key
from bench.metrics.intrinsics.metric import local_error
from bench.protocol import Comparison
from bench.protocol.apply import prepare

Array = NDArray[np.floating[Any]]

GREY = Comparison(channels="grey")
ORB = Comparison(mask="zero-outside", erosion=5, clip=(0, 1))
TENSOIR = {
    "space": "gamma22", "clip": (0, 1), "mask": "zero-outside", "background": 1.0,
    "unit": "scene", "reduction": "pooled",
}  # fmt: skip


@pytest.fixture
def pair(golden: Any) -> Item:
    """The golden pair ÷ 1.5 as albedo and shading, with its mask."""
    predicted, target = golden.prediction / 1.5, golden.target / 1.5
    return Item(
        Key("golden", "0"),
        prediction={"albedo": predicted, "shading": predicted**2},
        target={"albedo": target, "shading": target**2, "mask": golden.mask},
    )


@pytest.mark.parametrize(
    ("score", "comparison", "expected", "half_digit"),
    [
        ("psnr", {"scale": "channel", "clip": (0, 1)}, 39.995516, 5e-7),
        ("psnr", {"scale": "scalar", "clip": (0, 1)}, 14.688985, 5e-7),
        ("psnr", {"clip": (0, 1)}, 14.600581, 5e-7),
        ("psnr", {**TENSOIR, "scale": "median"}, 45.782801, 5e-7),
        ("psnr", {**TENSOIR, "scale": "median-red"}, 18.539429, 5e-7),
        ("si_mse", {"scale": "scalar"}, 0.03414232, 5e-9),
        ("si_mse", {}, 0.03414232, 5e-9),
        ("si_mse", {"scale": "channel"}, 0.00010010, 5e-9),
        ("lmse", {"channels": "grey"}, 7.784591e-4, 5e-11),
    ],
)
def test_albedo_has_its_golden_numbers(
    measure: Callable[..., Any],
    pair: Item,
    score: str,
    comparison: dict[str, Any],
    expected: float,
    half_digit: float,
) -> None:
    found = measure(f"albedo.{score}", pair, comparison=Comparison(**comparison))
    assert found == pytest.approx(expected, abs=half_digit)


@pytest.mark.parametrize(("scale", "expected"), [("none", 17.505089), ("channel", 42.771827)])
def test_stanford_orb_albedo_has_its_golden_numbers(
    measure: Callable[..., Any], golden: Any, scale: Any, expected: float
) -> None:
    target = {"albedo": golden.target, "mask": golden.mask}
    item = Item(Key("golden", "0"), None, {"albedo": golden.prediction}, target)
    found = measure("albedo.psnr", item, comparison=replace(ORB, scale=scale))
    assert found == pytest.approx(expected, abs=5e-7)
    black = Item(Key("golden", "0"), None, {"albedo": 0 * golden.prediction}, target)
    floored = measure("albedo.psnr", black, comparison=replace(ORB, scale=scale, floor=0.5))
    assert floored == pytest.approx(14.990957, abs=5e-7)


def pooled_by_torch(items: Sequence[Item], views: Sequence[int]) -> float:
    """TensoIR: the lower median of ratios over `views`, one error over all pixels of all."""
    lists = [
        [
            torch.tensor(v["albedo"][i.target["mask"][..., 0] > 0.5])
            for v in (i.prediction, i.target)
        ]
        for i in items
    ]
    ratios = torch.cat([lists[k][1] / lists[k][0].clamp(min=1e-6) for k in views])
    scale = ratios.median(dim=0).values
    shown = [
        [torch.ones(i.target["mask"].shape[0] ** 2, 3, dtype=torch.float64) for _ in range(2)]
        for i in items
    ]
    for frames, (p, g), i in zip(shown, lists, items, strict=True):
        where = torch.tensor(i.target["mask"].reshape(-1) > 0.5)
        frames[0][where] = (p * scale).clamp(0, 1) ** (1 / 2.2)
        frames[1][where] = g.clamp(0, 1) ** (1 / 2.2)
    first, second = (torch.cat([frames[k] for frames in shown]) for k in range(2))
    return float(peak_signal_noise_ratio(first, second, data_range=1.0))


@pytest.mark.parametrize(("views", "chosen"), [(0, range(5)), (2, (0, 2))])
def test_pooled_albedo_has_one_scale_and_one_error(
    measure: Callable[..., Any], pair: Item, views: int, chosen: Sequence[int]
) -> None:
    rng = np.random.default_rng(6)
    items = [
        replace(pair, prediction={"albedo": pair.prediction["albedo"] * rng.uniform(0.5, 1)})
        for _ in range(5)
    ]
    comparison = Comparison(**TENSOIR, scale="median", views=views)
    found = measure("albedo.psnr", *items, comparison=comparison)
    assert found == pytest.approx(pooled_by_torch(items, chosen), rel=1e-6)
    averaged = replace(comparison, reduction="mean")
    assert measure("albedo.psnr", *items, comparison=averaged) > found + 0.1


def test_a_mean_over_items_under_one_scale_is_that_of_each(
    measure: Callable[..., Any], pair: Item
) -> None:
    darker = replace(pair, prediction={"albedo": pair.prediction["albedo"] / 2})
    both = Comparison(scale="scalar", unit="scene")
    found = measure("albedo.si_mse", pair, darker, comparison=both)
    inside = pair.target["mask"][..., 0] > 0
    p, g = (values["albedo"][inside] for values in (pair.prediction, pair.target))
    scale = (np.sum(p * g) + np.sum(p / 2 * g)) / (np.sum(p * p) + np.sum(p * p / 4))
    errors = [np.mean((scale * x - g) ** 2) for x in (p, p / 2)]
    assert found == pytest.approx(np.mean(errors))
    local = measure("albedo.lmse", pair, darker, comparison=both)
    assert local == pytest.approx(measure("albedo.lmse", pair, comparison=both))


def test_shading_is_compared_after_one_scale(measure: Callable[..., Any], pair: Item) -> None:
    inside = pair.target["mask"][..., 0] > 0
    p, g = (values["shading"][inside].ravel() for values in (pair.prediction, pair.target))
    expected = np.linalg.lstsq(p[:, None], g)[1][0] / len(g)
    scale = torch.tensor(np.dot(p, g) / np.dot(p, p) * p)
    decibels = float(peak_signal_noise_ratio(scale, torch.tensor(g), data_range=1.0))
    for comparison in (Comparison(), Comparison(scale="scalar")):
        assert measure("shading.si_mse", pair, comparison=comparison) == pytest.approx(expected)
        assert measure("shading.psnr", pair, comparison=comparison) == pytest.approx(decibels)


def test_mit_adds_half_of_each_grey_lmse(measure: Callable[..., Any], pair: Item) -> None:
    halves = [
        local_error_by_loops(
            *(v[name].mean(axis=-1, keepdims=True) for v in (pair.prediction, pair.target)),
            pair.target["mask"],
            20,
            10,
        )
        / 2
        for name in ("shading", "albedo")
    ]
    assert measure("intrinsic.lmse", pair, comparison=GREY) == pytest.approx(sum(halves))
    for name, half in zip(("shading", "albedo"), halves, strict=True):
        assert measure(f"{name}.lmse", pair, comparison=GREY) == pytest.approx(2 * half)
    assert measure("intrinsic.lmse", pair, comparison=Comparison()) != pytest.approx(sum(halves))


def test_intrinsic_lmse_needs_both(measure: Callable[..., Any], pair: Item) -> None:
    pair.target["shading"] = np.zeros((32, 32, 3))
    assert measure("intrinsic.lmse", pair, comparison=GREY) is None


def test_a_black_albedo_keeps_the_truth_as_its_error(
    measure: Callable[..., Any], pair: Item
) -> None:
    black = replace(pair, prediction={"albedo": np.zeros((32, 32, 3))})
    power = np.mean(pair.target["albedo"][pair.target["mask"][..., 0] > 0] ** 2)
    for scale in ("none", "scalar", "channel", "median"):
        comparison = Comparison(scale=scale)
        assert measure("albedo.si_mse", black, comparison=comparison) == pytest.approx(power)
        assert measure("albedo.lmse", black, comparison=comparison) == 1


def test_an_inverted_albedo_is_turned_by_least_squares_and_by_no_median(
    measure: Callable[..., Any], pair: Item
) -> None:
    inverted = replace(pair, prediction={"albedo": -pair.target["albedo"]})
    assert measure("albedo.si_mse", inverted, comparison=Comparison()) == pytest.approx(0)
    assert measure("albedo.si_mse", inverted, comparison=Comparison(scale="median")) > 1


def local_error_by_loops(
    prediction: Array, target: Array, mask: Any, window: int, step: int
) -> float:
    """Grosse et al. 2009, one window at a time."""
    height, width, _ = target.shape
    error = total = 0.0
    for top in range(0, height - window + 1, step):
        for left in range(0, width - window + 1, step):
            cut = np.s_[top : top + window, left : left + window]
            g, p = target[cut] * mask[cut], prediction[cut] * mask[cut]
            alpha = np.sum(g * p) / np.sum(p * p) if np.sum(p * p) > 1e-5 else 0
            error += np.sum((g - alpha * p) ** 2)
            total += np.sum(g * g)
    return error / total


@pytest.mark.parametrize(("window", "expected"), [(2, 0.0284855), (4, 0.0622116)])
def test_the_lmse_example_of_the_specification(window: int, expected: Any) -> None:
    target = (np.arange(16) + 1.0).reshape(4, 4, 1) / 16
    prepared = prepare(target**2, target, None, Comparison())
    assert local_error(prepared, window, 1) == pytest.approx(expected, abs=5e-8)


@pytest.mark.parametrize(
    ("window", "step", "expected"), [(20, 10, 7.784591e-4), (16, 8, 5.860664e-4)]
)
def test_lmse_of_channel_means_is_the_golden_number(
    golden: Any, window: int, step: int, expected: Any
) -> None:
    prediction, target = (
        array.mean(axis=-1, keepdims=True) / 1.5 for array in (golden.prediction, golden.target)
    )
    prepared = prepare(prediction, target, golden.mask, Comparison())
    assert local_error(prepared, window, step) == pytest.approx(expected, abs=1e-10)
    assert (local_error(prepared) == local_error(prepared, window, step)) == (window == 20)


@pytest.mark.parametrize("size", [(20, 20), (47, 61), (128, 40)])
@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("steps", [(20, 10), (16, 5), (7, 7)])
def test_lmse_agrees_with_its_slow_twin(
    size: tuple[int, ...], masked: bool, steps: tuple[int, int]
) -> None:
    rng = np.random.default_rng(5)
    prediction, target = rng.random((2, *size, 3))
    prediction[: size[0] // 2, : size[1] // 2] = 0
    mask = (rng.random((*size, 1)) < 0.5) * 1.0 if masked else np.ones((*size, 1))
    expected = local_error_by_loops(prediction, target, mask, *steps)
    found = local_error(prepare(prediction, target, mask, Comparison()), *steps)
    assert found == pytest.approx(expected, rel=1e-9)


def test_lmse_of_nothing_is_one() -> None:
    black, target = np.zeros((40, 40, 3)), np.ones((40, 40, 3))
    assert local_error(prepare(black, target, None, Comparison())) == 1


def test_a_window_without_predicted_power_gets_no_scale() -> None:
    dim, target = np.full((20, 20, 1), 1e-4), np.ones((20, 20, 1))
    assert local_error(prepare(dim, target, None, Comparison())) == 1
    assert local_error(prepare(2 * dim, target, None, Comparison())) == pytest.approx(0)


def test_lmse_ignores_a_slow_change_of_scale_but_not_of_colour(
    view: Item, predicting: Callable[..., Item], measure: Callable[..., Any]
) -> None:
    albedo = view.target["albedo"]
    halves = albedo * np.where(np.arange(48) < 24, 1, 1.3)[:, None, None].astype(np.float32)
    tinted = albedo * np.array([1, 0.6, 0.3], np.float32)
    errors = [
        measure("albedo.lmse", predicting(view, albedo=wrong), comparison=Comparison())
        for wrong in (halves, tinted)
    ]
    assert errors[0] < 0.2 * errors[1]


def test_lmse_needs_a_window_that_fits(
    view: Item, predicting: Callable[..., Item], measure: Callable[..., Any]
) -> None:
    small = np.ones((19, 30, 3), np.float32)
    view.target.update(albedo=small, mask=small[..., :1])
    tiny = predicting(view, albedo=small)
    assert measure("albedo.lmse", tiny, comparison=Comparison()) is None
    assert measure("albedo.si_mse", tiny, comparison=Comparison()) == 0


def test_lmse_of_a_black_target_is_undefined(
    view: Item, predicting: Callable[..., Item], measure: Callable[..., Any]
) -> None:
    view.target["shading"] = np.zeros_like(view.target["shading"])
    assert measure("shading.lmse", view, comparison=Comparison()) is None


def test_si_mse_fits_one_scalar_where_the_comparison_fits_none(
    measure: Callable[..., Any], view: Item, predicting: Callable[..., Item]
) -> None:
    wrong = predicting(view, albedo=view.target["albedo"] * np.array([2, 2, 2.5], np.float32))
    unscaled = measure("albedo.si_mse", wrong, comparison=Comparison())
    scalar = measure("albedo.si_mse", wrong, comparison=Comparison(scale="scalar"))
    assert unscaled == scalar > 1e-4
    channel = measure("albedo.si_mse", wrong, comparison=Comparison(scale="channel"))
    assert channel == pytest.approx(0, abs=1e-12)
    plain = measure("albedo.psnr", wrong, comparison=Comparison())
    assert plain < measure("albedo.psnr", wrong, comparison=Comparison(scale="scalar"))

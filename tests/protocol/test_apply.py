"""Comparisons carried out, against §0, §3, §7.2 and §14 of specs/metrics.md and other libraries."""

import math
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.ndimage import binary_erosion, map_coordinates
from scipy.optimize import minimize
from skimage.metrics import peak_signal_noise_ratio

from bench.api import Item, Key
from bench.errors import InvalidValueError
from bench.protocol import Comparison
from bench.protocol.apply import (
    inside_mask,
    prepare,
    prepare_items,
    prepare_known,
    psnr,
    resize,
)
from bench.protocol.scales import fit_scale

Array = NDArray[np.floating[Any]]


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(3)


@pytest.fixture
def golden() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """§14: prediction and target 32×32×3 linear, mask of rows 4..27 and columns 6..25."""
    row, column = np.mgrid[:32, :32].astype(float)
    target = 1.5 * np.stack([(row + 1) / 32, (column + 1) / 32, (row + column + 1) / 64], axis=-1)
    prediction = target * [0.5, 0.8, 1.25] + 0.02 * ((row + column) % 2)[..., None]
    mask = np.zeros((32, 32, 1))
    mask[4:28, 6:26] = 1
    return prediction, target, mask


def decibels(prediction: Array, target: Array, coverage: Any, **attributes: Any) -> float:
    comparison = Comparison(**attributes)
    return psnr(prepare(prediction, target, coverage, comparison), comparison)


@pytest.mark.parametrize(
    ("scale", "space", "factor", "clip", "expected"),
    [
        ("none", "linear", 1.163769, 4.0, 14.999772),
        ("channel", "linear", 1.163769, 4.0, 40.362867),
        ("none", "srgb", 1, 1.0, 22.235751),
        ("channel", "srgb", 1, 1.0, 47.331473),
        ("none", "linear", 1, 1.0, 17.505089),
        ("channel", "linear", 1, 1.0, 42.771827),
    ],
)
def test_stanford_orb_psnr_is_the_golden_number(
    golden: Any, scale: str, space: str, factor: float, clip: Any, expected: Any
) -> None:
    prediction, target, mask = golden
    found = decibels(
        prediction * factor, target * factor, mask,
        scale=scale, space=space, clip=(0, clip), mask="zero-outside", erosion=5,
    )  # fmt: skip
    assert found == pytest.approx(expected, abs=2e-5)


@pytest.mark.parametrize(
    ("scale", "expected"), [("channel", 39.995516), ("scalar", 14.688985), ("none", 14.600581)]
)
def test_in_mask_linear_psnr_is_the_golden_number(golden: Any, scale: str, expected: Any) -> None:
    prediction, target, mask = golden
    found = decibels(prediction / 1.5, target / 1.5, mask, scale=scale, clip=(0, 1))
    assert found == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize(("scale", "expected"), [("channel", 1.0010e-4), ("scalar", 0.03414232)])
def test_si_mse_is_the_golden_number(golden: Any, scale: str, expected: Any) -> None:
    prediction, target, mask = golden
    prepared = prepare(prediction / 1.5, target / 1.5, mask, Comparison(scale=scale))
    assert prepared.mean_squared_error() == pytest.approx(expected, abs=1e-8)


def test_psnr_agrees_with_skimage_on_a_whole_frame(rng: np.random.Generator) -> None:
    first, second = rng.random((2, 20, 30, 3))
    expected = peak_signal_noise_ratio(second, first, data_range=2)
    assert decibels(first, second, None, peak=2.0) == pytest.approx(expected, rel=1e-12)


def test_psnr_of_identical_arrays_is_infinite(rng: np.random.Generator) -> None:
    image = rng.random((8, 8, 3))
    assert decibels(image, image, None, scale="channel", space="srgb") == math.inf


def test_a_zero_background_raises_psnr_by_the_coverage(golden: Any) -> None:
    prediction, target, mask = golden
    inside = decibels(prediction, target, mask)
    whole = decibels(prediction, target, mask, mask="zero-outside")
    assert whole - inside == pytest.approx(-10 * np.log10(mask.mean()))


def test_full_mode_ignores_the_mask(golden: Any) -> None:
    prediction, target, mask = golden
    everything = decibels(prediction, target, None)
    assert decibels(prediction, target, mask, mask="full") == everything
    assert decibels(prediction, target, mask) != everything


def test_golden_least_squares_scales(golden: Any) -> None:
    prediction, target, mask = golden
    eroded = inside_mask(mask, (32, 32), Comparison(erosion=5))
    found = fit_scale(prediction[eroded], target[eroded], "channel").scale
    np.testing.assert_allclose(found, (1.953716, 1.231227, 0.791891), atol=1e-6)
    inside = mask[..., 0] > 0
    found = fit_scale(prediction[inside] / 1.5, target[inside] / 1.5, "channel").scale
    np.testing.assert_allclose(found, (1.955745, 1.231943, 0.792083), atol=1e-6)
    found = fit_scale(prediction[inside] / 1.5, target[inside] / 1.5, "scalar").scale
    np.testing.assert_allclose(found, 1.048365, atol=1e-6)


def test_the_depth_example_of_the_specification() -> None:
    prediction, target = np.array([[1.0], [2], [3]]), np.array([[2.0], [4], [7]])
    scalar = fit_scale(prediction, target, "scalar").scale
    assert scalar == pytest.approx(2.214286, abs=1e-6)
    assert np.mean((scalar * prediction - target) ** 2) == pytest.approx(0.119048, abs=1e-6)
    affine = fit_scale(prediction, target, "affine")
    assert (affine.scale[0], affine.shift[0]) == pytest.approx((2.5, -2 / 3))
    residual = affine.scale * prediction + affine.shift - target
    assert np.mean(residual**2) == pytest.approx(0.0555556, abs=1e-6)


@pytest.mark.parametrize("scale", ["scalar", "channel", "affine"])
@pytest.mark.parametrize("weighted", [False, True])
def test_scales_minimise_the_squared_error(
    rng: np.random.Generator, scale: str, weighted: bool
) -> None:
    first, second = rng.random((2, 40, 3)) + np.array([0.1, 0.2, 0.7])
    weights = rng.random(40) if weighted else np.ones(40)

    def error(unknowns: Array) -> float:
        matched = first * unknowns[:-1] + unknowns[-1]
        return np.sum(weights[:, None] * (matched - second) ** 2)

    def constrained(free: Array) -> float:
        if scale == "channel":
            return error(np.append(free, 0))
        return error(np.array([free[0]] * 3 + [free[1] if scale == "affine" else 0]))

    best = minimize(constrained, np.ones(3), method="BFGS", options={"gtol": 1e-9}).x
    gain = fit_scale(first, second, scale, weights if weighted else None)
    expected = best if scale == "channel" else np.full(3, best[0])
    np.testing.assert_allclose(gain.scale, expected, atol=1e-6)
    np.testing.assert_allclose(gain.shift, best[1] if scale == "affine" else 0, atol=1e-6)


def test_a_zero_prediction_keeps_the_scale_one() -> None:
    zeros, target = np.zeros((5, 3)), np.ones((5, 3))
    for scale in ("scalar", "channel"):
        gain = fit_scale(zeros, target, scale)
        assert gain.scale.tolist() == [1, 1, 1] and gain.shift.tolist() == [0, 0, 0]


def test_one_zero_channel_leaves_the_others_scaled() -> None:
    prediction = np.tile([0.0, 1, 2], (5, 1))
    assert fit_scale(prediction, np.full((5, 3), 4.0), "channel").scale.tolist() == [1, 4, 2]


@pytest.mark.parametrize("constant", [0.0, 0.1, 1 / 3, 0.7, 1e6 / 7])
def test_a_constant_prediction_is_shifted_to_the_mean(
    rng: np.random.Generator, constant: float
) -> None:
    target = rng.random((1001, 1))
    gain = fit_scale(np.full((1001, 1), constant), target, "affine")
    assert (gain.scale[0], gain.shift[0]) == (0, pytest.approx(target.mean()))


def test_pixels_outside_the_mask_do_not_move_the_scale(golden: Any) -> None:
    prediction, target, mask = golden
    spoiled = np.where(mask > 0, prediction, 1e3)
    for mode in ("inside", "zero-outside"):
        assert decibels(spoiled, target, mask, scale="channel", mask=mode) == decibels(
            prediction, target, mask, scale="channel", mask=mode
        )


def test_scale_is_fitted_before_clipping_and_encoding() -> None:
    target = np.linspace(0.05, 1, 12).reshape(2, 2, 3)
    comparison = Comparison(space="srgb", clip=(0, 1), scale="channel")
    assert prepare(5 * target, target, None, comparison).mean_squared_error() < 1e-30


def test_encodings_are_the_formulas() -> None:
    values = np.array([0.001, 0.0031308, 0.2, 1.0]).reshape(2, 2, 1)
    expected = [12.92e-3, 12.92 * 0.0031308, 1.055 * 0.2 ** (1 / 2.4) - 0.055, 1]
    shown = prepare(values, values, None, Comparison(space="srgb")).target
    np.testing.assert_allclose(shown.ravel(), expected, rtol=1e-12)
    shown = prepare(values, values, None, Comparison(space="gamma22")).target
    np.testing.assert_allclose(shown, values.reshape(-1, 1) ** (1 / 2.2))


def test_levels_round_to_the_nearest_step() -> None:
    values = np.array([0, 0.6 / 255, 100.4 / 255, 1]).reshape(2, 2, 1)
    shown = prepare(values, values, None, Comparison(levels=255)).prediction
    np.testing.assert_allclose(shown.ravel() * 255, [0, 1, 100, 255])


@pytest.mark.parametrize("side", [3, 5])
def test_erosion_agrees_with_scipy_and_spares_the_border(
    rng: np.random.Generator, side: int
) -> None:
    mask = (rng.random((40, 30)) < 0.97).astype(np.float32)
    found = inside_mask(mask[..., None], mask.shape, Comparison(erosion=side))
    expected = binary_erosion(mask, np.ones((side, side)), border_value=1)
    np.testing.assert_array_equal(found, expected)
    assert 0 < found.sum() < mask.sum()


def test_golden_mask_erodes_to_320_pixels(golden: Any) -> None:
    assert inside_mask(golden[2], (32, 32), Comparison(erosion=5)).sum() == 320


def test_a_pixel_is_inside_strictly_above_the_threshold() -> None:
    mask = np.array([0, 0.5, 0.51, 1]).reshape(2, 2, 1)
    assert inside_mask(mask, (2, 2), Comparison()).ravel().tolist() == [False, False, True, True]


def test_without_a_mask_the_whole_frame_is_inside(rng: np.random.Generator) -> None:
    prepared = prepare(*rng.random((2, 4, 6, 3)), None, Comparison())
    assert prepared.inside.all() and prepared.pixels == 24


def test_an_empty_mask_leaves_nothing_to_compare(rng: np.random.Generator) -> None:
    first, second = rng.random((2, 4, 4, 3))
    for mode in ("inside", "zero-outside"):
        assert prepare(first, second, np.zeros((4, 4, 1)), Comparison(mask=mode)) is None


def test_frames_are_zero_outside_and_keep_their_place(golden: Any) -> None:
    prediction, target, mask = golden
    frames = prepare(prediction, target, mask, Comparison()).frames()
    np.testing.assert_array_equal(frames[0], prediction * mask)
    np.testing.assert_array_equal(frames[1], target * mask)


@pytest.mark.parametrize(
    ("shape", "mask"), [((4, 5, 3), (4, 4, 1)), ((4, 4, 1), (4, 4, 1)), ((4, 4, 3), (4, 4))]
)
def test_unlike_sizes_are_invalid(shape: tuple[int, ...], mask: Any) -> None:
    with pytest.raises(InvalidValueError, match="is \\(") as caught:
        prepare(np.ones(shape), np.ones((4, 4, 3)), np.ones(mask), Comparison())
    assert caught.value.kind == "shape"


def test_known_pixels_are_compared_and_counted() -> None:
    target = np.array([1.0, 2, 3, 0]).reshape(2, 2, 1)
    prediction = np.array([1.0, 4, 0, 9]).reshape(2, 2, 1)
    prepared, share = prepare_known(prediction, target, None, Comparison())
    assert prepared.prediction.ravel().tolist() == [1, 4]
    assert prepared.mean_squared_error() == 2
    assert share == pytest.approx(2 / 3)


def test_a_prediction_that_knows_nothing_is_missing() -> None:
    with pytest.raises(InvalidValueError, match="all 4 pixels") as caught:
        prepare_known(np.zeros((2, 2, 3)), np.ones((2, 2, 3)), None, Comparison())
    assert caught.value.kind == "missing"


def test_a_target_that_knows_nothing_gives_nothing() -> None:
    assert prepare_known(np.ones((2, 2, 3)), np.zeros((2, 2, 3)), None, Comparison()) is None


def test_bilinear_resizing_reads_pixel_centres(rng: np.random.Generator) -> None:
    array = rng.random((7, 9, 3))
    rows = np.clip((np.arange(14) + 0.5) / 2 - 0.5, 0, 6)
    columns = np.clip((np.arange(6) + 0.5) * 1.5 - 0.5, 0, 8)
    grid = np.meshgrid(rows, columns, indexing="ij")
    expected = [map_coordinates(array[..., c], grid, order=1) for c in range(3)]
    found = resize(array, 14, 6, "bilinear")
    np.testing.assert_allclose(found, np.stack(expected, axis=-1), atol=1e-6)


def test_area_resizing_averages(rng: np.random.Generator) -> None:
    array = rng.random((8, 12, 3)).astype(np.float32)
    expected = array.reshape(4, 2, 4, 3, 3).mean(axis=(1, 3))
    np.testing.assert_allclose(resize(array, 4, 4, "area"), expected, rtol=1e-6)


def test_nearest_resizing_copies_the_centre(rng: np.random.Generator) -> None:
    array = rng.random((9, 9, 1)).astype(np.float32)
    np.testing.assert_array_equal(resize(array, 3, 3, "nearest"), array[1::3, 1::3])


@pytest.mark.parametrize("rule", ["bilinear", "area", "nearest"])
def test_resizing_keeps_dtype_axes_and_constants(rule: str) -> None:
    array = np.full((5, 6, 1), 0.25, np.float32)
    resized = resize(array, 11, 3, rule)
    assert resized.shape == (11, 3, 1) and resized.dtype == np.float32
    np.testing.assert_allclose(resized, 0.25)
    assert resize(array, 5, 6, rule) is array


def test_a_soft_mask_weights_error_and_scale(rng: np.random.Generator) -> None:
    prediction, target = rng.random((2, 8, 9, 3))
    mask = rng.random((8, 9, 1)) * (rng.random((8, 9, 1)) > 0.3)
    weights = np.repeat(mask, 3, -1)
    found = prepare(prediction, target, mask, Comparison(mask="soft"))
    expected = (weights * (prediction - target) ** 2).sum() / weights.sum()
    assert found is not None
    assert found.mean_squared_error() == pytest.approx(expected)
    scale = (weights * prediction * target).sum() / (weights * prediction**2).sum()
    scaled = prepare(prediction, target, mask, Comparison(mask="soft", scale="scalar"))
    expected = (weights * (scale * prediction - target) ** 2).sum() / weights.sum()
    assert scaled is not None
    assert scaled.mean_squared_error() == pytest.approx(expected)


def test_a_hard_mask_weights_all_alike_when_taken_for_soft(rng: np.random.Generator) -> None:
    prediction, target = rng.random((2, 8, 9, 3))
    mask = (rng.random((8, 9, 1)) > 0.5).astype(np.float32)
    hard, soft = (
        prepare(prediction, target, mask, Comparison(mask=mode))  # type: ignore[arg-type]
        for mode in ("inside", "soft")
    )
    assert hard is not None and soft is not None
    assert soft.mean_squared_error() == pytest.approx(hard.mean_squared_error())


def test_a_scale_may_be_fitted_to_what_is_shown(rng: np.random.Generator) -> None:
    prediction, target = rng.random((2, 4, 5, 3)) * 0.9
    how = Comparison(space="gamma22", scale="scalar", fit="shown", levels=255, rounding="down")
    p, t = (np.floor(255 * x ** (1 / 2.2)) / 255 for x in (prediction, target))
    expected = (((p * t).sum() / (p * p).sum() * p - t) ** 2).mean()
    found = prepare(prediction, target, None, how)
    assert found is not None
    assert found.mean_squared_error() == pytest.approx(expected)


def test_rounding_down_keeps_what_an_8_bit_file_held() -> None:
    steps = np.arange(256)[:, None, None] * np.ones(3)
    linear = ((steps / 255) ** 2.2).astype(np.float32)
    how = Comparison(space="gamma22", levels=255, rounding="down")
    found = prepare(linear, linear, None, how)
    assert found is not None
    np.testing.assert_allclose(found.prediction * 255, steps[:, 0], atol=1e-9)


@pytest.mark.parametrize("scale", ["scalar", "channel", "affine", "median", "exposure"])
def test_without_a_pixel_to_fit_to_the_scale_stays(golden: Any, scale: Any) -> None:
    prediction, target, mask = golden
    comparison = Comparison(scale=scale, fit_threshold=1.0)
    found = prepare(prediction, target, mask, comparison)
    assert found is not None
    np.testing.assert_array_equal(found.prediction, prediction[mask[..., 0] > 0])


def test_a_scale_is_fitted_where_the_coverage_exceeds_its_threshold(golden: Any) -> None:
    prediction, target, mask = golden
    soft = mask * np.where(np.arange(32) < 16, 0.8, 1.0)[:, None]
    found = prepare(prediction, target, soft, Comparison(scale="channel", fit_threshold=0.9))
    kept = soft[..., 0] > 0.9
    gains = (prediction * target)[kept].sum(0) / (prediction**2)[kept].sum(0)
    assert found is not None
    np.testing.assert_allclose(found.prediction, (prediction * gains)[soft[..., 0] > 0.5])


def test_metrics_of_one_small_item_share_what_was_prepared() -> None:
    rng = np.random.default_rng(3)

    def item(side: int) -> Item:
        pair = [rng.random((side, side, 3)) for _ in range(2)]
        return Item(Key("", ""), None, {"view": pair[0]}, {"view": pair[1]})

    small, large, shown = item(8), item(300), Comparison(space="srgb")
    (first,) = prepare_items([small], "view", shown)
    assert prepare_items([small], "view", shown)[0] is first
    (linear,) = prepare_items([small], "view", Comparison())
    assert not np.array_equal(linear.target, first.target)
    both = prepare_items([small, small], "view", shown)
    np.testing.assert_array_equal(both[0].prediction, first.prediction)
    assert prepare_items([large], "view", shown)[0] is not prepare_items([large], "view", shown)[0]

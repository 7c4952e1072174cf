"""The golden numbers of specs/metrics.md §14 and its worked examples, under the named protocols."""

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from bench import score
from bench.api import Item, Key
from bench.plugins import load, registry
from bench.protocol import Comparison
from bench.protocol.apply import inside_mask, prepare, prepare_items
from bench.protocol.named import PROTOCOLS
from bench.protocol.scales import fit_scale


@pytest.fixture(scope="module")
def halved(golden: SimpleNamespace) -> SimpleNamespace:
    """The same pair ÷ 1.5, as §14 has it for albedo and for 8 bit."""
    return SimpleNamespace(
        prediction=golden.prediction / 1.5, target=golden.target / 1.5, mask=golden.mask
    )


def scored(pair: SimpleNamespace, quantity: str, protocol: str) -> dict[str, float]:
    return score(
        {quantity: pair.prediction}, {quantity: pair.target, "mask": pair.mask}, protocol=protocol
    )


def compared(pair: SimpleNamespace, metric: str, how: Comparison) -> float:
    """One score of the pair under a comparison that no named protocol has."""
    quantity = metric.partition(".")[0]
    (card,) = [
        card for card in registry().metrics.values() if metric in [s.id for s in card.scores]
    ]
    made: Any = load(card.implementation)(card)
    target = {quantity: pair.target, "mask": pair.mask}
    item = Item(Key("", ""), None, {quantity: pair.prediction}, target)
    return float(made([item], how)[metric])


def rule(protocol: str, metric: str, column: str = "") -> Comparison:
    return dict(PROTOCOLS[protocol].comparisons(metric))[column]


@pytest.mark.parametrize(
    ("metric", "expected"),
    [
        ("view.psnr_hdr", 14.999772),
        ("relit.psnr_hdr", 40.362867),
        ("view.psnr", 22.235751),
        ("relit.psnr", 47.331473),
        ("albedo.psnr", 42.771827),
        ("view.ssim", 0.977610),
        ("relit.ssim", 0.992848),
    ],
)
def test_stanford_orb_gives_the_golden_numbers(
    golden: SimpleNamespace, metric: str, expected: float
) -> None:
    found = scored(golden, metric.partition(".")[0], "stanford-orb")
    assert found[metric] == pytest.approx(expected, abs=6e-7)


def test_stanford_orbs_albedo_without_its_scale_is_the_golden_number(
    golden: SimpleNamespace,
) -> None:
    unscaled = replace(rule("stanford-orb", "albedo.psnr"), scale="none")
    assert compared(golden, "albedo.psnr", unscaled) == pytest.approx(17.505089, abs=6e-7)


def test_stanford_orb_scales_by_the_golden_gains(golden: SimpleNamespace) -> None:
    how = rule("stanford-orb", "relit.psnr")
    inside = inside_mask(golden.mask, (32, 32), how)
    assert inside.sum() == 320
    gain = fit_scale(golden.prediction[inside], golden.target[inside], how.scale)
    assert gain.scale == pytest.approx([1.953716, 1.231227, 0.791891], abs=6e-7)


@pytest.mark.parametrize(
    ("metric", "expected"),
    [("view.psnr_hdr", 11.614818), ("view.psnr", 13.297876), ("albedo.psnr", 14.990957)],
)
def test_stanford_orb_never_scores_below_its_grey(
    golden: SimpleNamespace, metric: str, expected: float
) -> None:
    quantity = metric.partition(".")[0]
    black = np.zeros((32, 32, 3))  # which no scale makes brighter
    worst = SimpleNamespace(prediction=black, target=golden.target, mask=golden.mask)
    assert scored(worst, quantity, "stanford-orb")[metric] == pytest.approx(expected, abs=6e-7)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"window": "gauss11"}, 0.962669),
        ({"window": "uniform7"}, 0.962144),
        ({"window": "gauss11-zero"}, 0.978304),
        ({"window": "uniform7", "averaged": "inside"}, 0.941916),
    ],
)
def test_ssim_of_every_window_is_the_golden_number(
    golden: SimpleNamespace, changes: dict[str, Any], expected: float
) -> None:
    how = replace(rule("stanford-orb", "view.ssim"), **changes)
    assert compared(golden, "view.ssim", how) == pytest.approx(expected, abs=6e-7)


def test_tensoir_gives_the_golden_numbers(halved: SimpleNamespace) -> None:
    found = scored(halved, "albedo", "tensoir")
    assert found["albedo.psnr"] == pytest.approx(45.782801, abs=6e-7)
    assert found["albedo.psnr/single"] == pytest.approx(18.539429, abs=6e-7)


def test_tensoir_takes_the_lower_of_two_middle_ratios(halved: SimpleNamespace) -> None:
    inside = halved.mask[..., 0] > 0
    pixels = halved.prediction[inside], halved.target[inside]
    lower = fit_scale(*pixels, rule("tensoir", "albedo.psnr").scale).scale
    assert lower == pytest.approx([1.940850, 1.224874, 0.789634], abs=6e-7)
    means = np.median(pixels[1] / np.maximum(pixels[0], 1e-6), axis=0)
    assert means == pytest.approx([1.970425, 1.237437, 0.794817], abs=6e-7)


def test_tensoir_pools_one_scale_and_one_error_over_a_scene(halved: SimpleNamespace) -> None:
    how = rule("tensoir", "albedo.psnr")
    target = {"albedo": halved.target, "mask": halved.mask}
    items = [
        Item(Key("s", str(k)), None, {"albedo": halved.prediction * k}, target) for k in (1, 3)
    ]
    both = prepare_items(items, "albedo", how)
    alone = prepare(halved.prediction, halved.target, halved.mask, how)
    assert len(both) == 2
    assert alone is not None
    assert not np.allclose(both[0].prediction, alone.prediction)


@pytest.mark.parametrize(("metric", "expected"), [("view.l1", 40.182943), ("view.psnr", 14.173170)])
def test_nrw_gives_the_golden_numbers(
    halved: SimpleNamespace, metric: str, expected: float
) -> None:
    # The golden 32×32 values are rounded down; NRW crops to 64 px and encodes linear ones.
    how = replace(rule("nrw-half", metric), space="linear", crop=0, rounding="down", mask="full")
    assert compared(halved, metric, how) == pytest.approx(expected, abs=6e-7)


def test_nerfactors_luma_psnr_is_the_golden_number(halved: SimpleNamespace) -> None:
    how = replace(rule("nerfactor", "view.psnr"), space="linear", mask="full")
    assert compared(halved, "view.psnr", how) == pytest.approx(18.138737, abs=6e-7)


def test_mit_gives_the_golden_local_error(halved: SimpleNamespace) -> None:
    assert scored(halved, "albedo", "mit")["albedo.lmse"] == pytest.approx(7.784591e-4, abs=6e-11)


def test_neutral_gives_the_golden_scale_invariant_errors(halved: SimpleNamespace) -> None:
    found = scored(halved, "albedo", "neutral")
    assert found["albedo.si_mse/single"] == pytest.approx(0.03414232, abs=6e-9)
    assert found["albedo.si_mse"] == pytest.approx(0.00010010, abs=6e-9)


@pytest.mark.parametrize(
    ("scale", "expected"), [("channel", 39.995516), ("scalar", 14.688985), ("none", 14.600581)]
)
def test_in_mask_linear_psnr_is_the_golden_number(
    halved: SimpleNamespace, scale: Any, expected: float
) -> None:
    how = Comparison(scale=scale, clip=(0.0, 1.0))
    assert compared(halved, "albedo.psnr", how) == pytest.approx(expected, abs=6e-7)


def test_stanford_orb_divides_depth_by_the_whole_frame(golden: SimpleNamespace) -> None:
    pair = SimpleNamespace(
        prediction=golden.prediction[..., :1], target=golden.target[..., :1], mask=golden.mask
    )
    inside = inside_mask(pair.mask, (32, 32), Comparison(erosion=5))
    p, g = pair.prediction[inside], pair.target[inside]
    expected = ((p * (g * p).sum() / (p * p).sum() - g) ** 2).sum() / (32 * 32)
    found = scored(pair, "depth", "stanford-orb")
    assert found["depth.si_mse"] == pytest.approx(expected, rel=1e-9)
    of_scene = compared(pair, "depth.si_mse_scene", rule("stanford-orb", "depth.si_mse_scene"))
    assert of_scene == pytest.approx(expected, rel=1e-9)


def test_whdr_is_the_worked_example_of_iiw() -> None:
    lightness = (0.2, 0.3, 0.5, 0.54, 0.3, 0.29)
    points = [
        {"id": k, "x": (k + 0.5) / 6, "y": 0.5, "opaque": True} for k in range(len(lightness))
    ]
    pairs = (((0, 1), "1", 1.0), ((2, 3), "E", 0.5), ((4, 5), "2", 0.25))
    judged = [
        {"point1": a, "point2": b, "darker": darker, "darker_score": weight}
        for (a, b), darker, weight in pairs
    ]
    albedo = np.repeat(np.array(lightness)[None, :, None], 3, axis=2)  # 1×6×3
    judgements = {"intrinsic_points": points, "intrinsic_comparisons": judged}
    found = score({"albedo": albedo}, {"judgements": judgements}, protocol="iiw")
    assert found["albedo.whdr"] == pytest.approx(0.25 / 1.75)


def test_one_pair_of_images_is_worth_something_else_to_every_benchmark(
    golden: SimpleNamespace,
) -> None:
    found = {
        name: scored(golden, "relit", name)["relit.psnr"]
        for name in ("neutral", "stanford-orb", "tensoir", "nerfactor", "owl")
    }
    values = sorted(found.values())
    assert min(np.diff(values)) > 0.1, found
    assert values[-1] - values[0] > 20, found
    # Coverage alone: Stanford-ORB's denominator against its own pixels (§0.2).
    orb = rule("stanford-orb", "relit.psnr")
    inside = compared(golden, "relit.psnr", replace(orb, mask="inside"))
    assert found["stanford-orb"] - inside == pytest.approx(-10 * np.log10(320 / 1024))

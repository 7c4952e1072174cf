"""What holds for every metric: cards are honest, perfection is recognised, damage shows."""

import importlib
import math
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from bench.api import Item, MetricCard
from bench.graphics.environments import to_frame
from bench.protocol import Comparison
from bench.protocol.named import NEUTRAL, PROTOCOLS
from bench.quantities import VOCABULARY, Environment

BEST = {
    "normal.mae": 0, "normal.median": 0, "normal.within_11.25": 100, "normal.within_22.5": 100,
    "normal.within_30": 100, "normal.coverage": 100,
    "albedo.psnr": math.inf, "albedo.si_mse": 0, "albedo.lmse": 0, "shading.lmse": 0,
    "depth.rmse": 0, "depth.coverage": 100,
    "light.si_rmse": 0, "light.angular": 0, "light.irradiance": 0,
    "relit.psnr": math.inf, "relit.psnr_hdr": math.inf, "relit.ssim": 1,
    "relit.l1": 0, "relit.flip": 0, "relit.flip_hdr": 0,
    "view.psnr": math.inf, "view.psnr_hdr": math.inf, "view.ssim": 1,
    "view.l1": 0, "view.flip": 0, "view.flip_hdr": 0, "albedo.ssim": 1,
    "normal.rmse": 0, "normal.cosine": 0, "depth.rmse_extent": 0, "depth.si_mse": 0,
    "depth.si_rmse": 0, "depth.si_mse_scene": 0, "depth.abs_rel": 0, "depth.sq_rel": 0,
    "depth.rmse_log": 0, "depth.log10": 0, "depth.silog": 0, "depth.delta1": 1,
    "shading.psnr": math.inf, "shading.si_mse": 0, "intrinsic.lmse": 0, "roughness.mse": 0,
    "light.rmse": 0, "albedo.dssim": 0, "shading.dssim": 0,
    "consistency.psnr": math.inf, "roughness.rmse": 0, "specular.rmse": 0, "mask.iou": 1,
}  # fmt: skip
"""Value of a perfect prediction; LPIPS, cost, pairs and `sord` have tests of their own."""


def test_every_score_has_a_comparison_and_one_owner(cards: tuple[MetricCard, ...]) -> None:
    scores = [score.id for card in cards for score in card.scores]
    assert len(scores) == len(set(scores))
    assert len({card.name for card in cards}) == len(cards)
    for card in cards:
        for protocol in [PROTOCOLS[name] for name in card.protocols] or [NEUTRAL]:
            for score in card.scores:
                assert "" in dict(protocol.comparisons(score.id)), score.id


def test_cards_speak_the_vocabulary_and_name_what_exists(cards: tuple[MetricCard, ...]) -> None:
    for card in cards:
        words = {card.quantity, *card.also, *card.targets, *card.inputs} - {""}
        assert words <= VOCABULARY.keys(), card.name
        module, _, name = card.implementation.partition(":")
        assert hasattr(importlib.import_module(module), name), card.name


def test_cards_are_read_without_numpy_or_torch(cards: tuple[MetricCard, ...]) -> None:
    modules = sorted({card.implementation.split(":")[0].rpartition(".")[0] for card in cards})
    script = f"""
import importlib, sys
for name in {modules}: importlib.import_module(name + ".plugin").bench_metrics()
heavy = {{"numpy", "scipy", "cv2", "torch", "pandas"}} & set(sys.modules)
sys.exit(f"imported {{heavy}}" if heavy else 0)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("score", BEST)
def test_a_perfect_prediction_gets_the_best_value(
    measure: Callable[..., Any], view: Item, score: str
) -> None:
    for _, comparison in NEUTRAL.comparisons(score):
        assert measure(score, view, comparison=comparison) == pytest.approx(BEST[score], abs=1e-6)


@pytest.mark.parametrize("score", BEST)
def test_damage_shows_in_the_right_direction(
    measure: Callable[..., Any],
    cards: tuple[MetricCard, ...],
    view: Item,
    predicting: Callable[..., Item],
    score: str,
) -> None:
    (card,) = (card for card in cards if score in {offered.id for offered in card.scores})
    direction = {offered.id: offered.direction for offered in card.scores}[score]
    damaged = predicting(view, **{card.quantity: damage(view.prediction[card.quantity])})
    for _, comparison in NEUTRAL.comparisons(score):
        before = measure(score, view, comparison=comparison)
        after = measure(score, damaged, comparison=comparison)
        assert after < before - 1e-4 if direction == "higher" else after > before + 1e-4


@pytest.mark.parametrize("score", BEST)
def test_values_stay_within_the_bounds_of_the_card(
    measure: Callable[..., Any],
    cards: tuple[MetricCard, ...],
    view: Item,
    predicting: Callable[..., Item],
    score: str,
) -> None:
    (card,) = (card for card in cards if score in {offered.id for offered in card.scores})
    low, high = {offered.id: offered.bounds for offered in card.scores}[score]
    noise = damage(view.prediction[card.quantity])
    for _, comparison in NEUTRAL.comparisons(score):
        value = measure(score, predicting(view, **{card.quantity: noise}), comparison=comparison)
        assert (low is None or value >= low) and (high is None or value <= high)


@pytest.mark.parametrize("score", sorted(s for s in BEST if not s.startswith(("light", "mask"))))
def test_an_empty_mask_defines_nothing(measure: Callable[..., Any], view: Item, score: str) -> None:
    empty = np.zeros_like(view.target["mask"])
    view.target["mask"] = view.inputs.inputs["mask"] = empty
    for _, comparison in NEUTRAL.comparisons(score):
        assert measure(score, view, comparison=comparison) is None


@pytest.mark.parametrize("score", ["albedo.psnr", "relit.ssim", "normal.mae", "depth.rmse"])
def test_without_a_mask_the_background_counts(
    measure: Callable[..., Any], view: Item, predicting: Callable[..., Item], score: str
) -> None:
    quantity = {"relit.ssim": "relit"}.get(score, score.partition(".")[0])
    elsewhere = np.where(view.target["mask"] > 0, 0, damage(view.prediction[quantity]))
    comparison = Comparison()
    view.target[quantity] = view.target[quantity] + np.float32(0.1)
    spoiled = predicting(view, **{quantity: view.target[quantity] + elsewhere})
    assert measure(score, spoiled, comparison=comparison) == pytest.approx(
        measure(score, predicting(view, **{quantity: view.target[quantity]}), comparison=comparison)
    )
    masked = measure(score, spoiled, comparison=comparison)
    del view.target["mask"]
    assert measure(score, spoiled, comparison=comparison) != pytest.approx(masked)


def test_light_may_be_predicted_in_the_camera_frame(
    measure: Callable[..., Any], view: Item, predicting: Callable[..., Item]
) -> None:
    camera = view.inputs.inputs["camera"]
    turned = to_frame(view.target["environment"], "camera", camera)
    for score in ("light.si_rmse", "light.angular", "light.irradiance"):
        comparison = Comparison(scale="scalar", mask="full")
        found = measure(score, predicting(view, environment=turned), comparison=comparison)
        unturned = Environment(turned.radiance, "world")
        wrong = measure(score, predicting(view, environment=unturned), comparison=comparison)
        assert found < 0.1 * wrong


def damage(value: Any) -> Any:
    """A wrong value of the same kind, a third of it unknown (zero)."""
    rng = np.random.default_rng(0)
    if isinstance(value, Environment):
        return Environment(damage(value.radiance), value.frame)
    third = np.arange(value.shape[0]) % 3 == 0
    noisy = np.abs(value + rng.normal(0, 0.3, value.shape)).astype(np.float32) + 0.01
    return np.where(third[:, None, None], 0, noisy)

"""Claims held against scene means."""

import json
from pathlib import Path

import numpy as np
import pytest

from bench.api import PublishedValue
from bench.claims import interval, judge

MEANS = np.array([20.0, 22.0, 21.0, 25.0, 19.0, 23.0, 24.0, 22.5])


def claim(value: float, scene: str = "") -> PublishedValue:
    return PublishedValue("Net", "relit.psnr", value, "d", "s", "neutral", scene=scene)


def test_the_interval_is_that_of_the_specification(shared: Path) -> None:
    """specs/metrics.md §15.4: BCa of nvdiffrecmc − invrender over 42 captures."""
    first, second = (
        json.loads((shared / "data" / "stanford_orb" / f"{name}.json").read_text())["scores"]
        for name in ("nvdiffrecmc", "invrender")
    )
    differences = [
        first["light_all"][capture]["psnr_hdr"] - second["light_all"][capture]["psnr_hdr"]
        for capture in sorted(first["light_all"])
    ]
    assert interval(np.array(differences)) == pytest.approx((-0.217, 1.196), abs=5e-4)


def test_a_claim_within_the_interval_is_reproduced() -> None:
    verdict = judge("a", claim(22.0), MEANS)
    assert (verdict.kind, verdict.words) == ("reproduced", "reproduced")
    assert verdict.low is not None and verdict.high is not None
    assert verdict.low < MEANS.mean() < verdict.high and verdict.measured == MEANS.mean()


@pytest.mark.parametrize(("value", "words"), [(27.0625, "off by −5"), (17.0625, "off by +5")])
def test_a_claim_outside_is_off_by_measured_less_claimed(value: float, words: str) -> None:
    verdict = judge("a", claim(value), MEANS)
    assert (verdict.kind, verdict.words) == ("off", words)


@pytest.mark.parametrize(
    ("means", "scene", "why"),
    [
        ([20.0], "", "a single scene gives no tolerance"),
        ([20.0, 21.0], "s1", "of a single scene"),
        ([20.0, 20.0, 20.0], "", "all scenes have one value"),
        ([20.0, np.inf], "", "not finite"),
    ],
)
def test_what_gives_no_tolerance_is_not_checked(means: list[float], scene: str, why: str) -> None:
    verdict = judge("a", claim(20.0, scene), np.array(means))
    assert verdict.kind == "not checked" and why in verdict.words


def test_the_same_numbers_give_the_same_interval() -> None:
    assert interval(MEANS) == interval(MEANS)

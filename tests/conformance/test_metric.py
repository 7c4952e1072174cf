import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import replace
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bench.api import Item, MetricCard, Score
from bench.conformance.metric import check_metric
from bench.errors import UnavailableError
from bench.plugins import GROUP, collect
from bench.protocol import Comparison

ROOT = Path(__file__).resolve().parents[2]
SCORE = Score("albedo.error", "error", "lower", "", (0, None))


class Honest:
    def __init__(self, card: MetricCard) -> None:
        self.card = card

    def __call__(self, items: Iterable[Item], comparison: Comparison) -> Mapping[str, float]:
        errors = [
            float(np.abs(item.prediction["albedo"] - item.target["albedo"]).mean())
            for item in items
        ]
        return {"albedo.error": sum(errors) / len(errors)}


class Undeclared(Honest):
    def __call__(self, items: Iterable[Item], comparison: Comparison) -> Mapping[str, float]:
        return {**super().__call__(items, comparison), "albedo.other": 1.0}


class Negative(Honest):
    def __call__(self, items: Iterable[Item], comparison: Comparison) -> Mapping[str, float]:
        return {"albedo.error": super().__call__(items, comparison)["albedo.error"] - 1}


class Constant(Honest):
    def __call__(self, items: Iterable[Item], comparison: Comparison) -> Mapping[str, float]:
        return {"albedo.error": 0.5}


class NotANumber(Honest):
    def __call__(self, items: Iterable[Item], comparison: Comparison) -> Mapping[str, float]:
        return {"albedo.error": float("nan")}


class Silent(Honest):
    def __call__(self, items: Iterable[Item], comparison: Comparison) -> Mapping[str, float]:
        return {}


class Weightless(Honest):
    def __init__(self, card: MetricCard) -> None:
        raise UnavailableError("no weights; fetch them")


def failures(monkeypatch: pytest.MonkeyPatch, kind: type, **changes: Any) -> dict[str, str]:
    """Check → message, of what does not hold."""
    monkeypatch.setattr("bench.conformance.metric.load", lambda implementation: kind)
    card = MetricCard(
        "error", "Error", "error:Error", (SCORE,), quantity="albedo", targets=("albedo",)
    )
    findings = check_metric(replace(card, **changes))
    return {finding.check: finding.message for finding in findings if not finding.ok}


@pytest.mark.parametrize("over", ["item", "pair", "scene", "dataset"])
def test_an_honest_metric_passes(monkeypatch: pytest.MonkeyPatch, over: str) -> None:
    assert failures(monkeypatch, Honest, over=over) == {}


@pytest.mark.parametrize(
    ("liar", "caught", "says"),
    [
        (Undeclared, "declared scores", "'albedo.other', which the card does not list"),
        (Negative, "bounds", "albedo.error is -1, outside [0, None]"),
        (Constant, "direction", "a perfect prediction gets 0.5, a damaged one 0.5"),
        (NotANumber, "declared scores", "albedo.error is nan, not a number"),
        (Silent, "declared scores", "albedo.error was not returned"),
        (Weightless, "constructs", "unavailable: no weights; fetch them"),
    ],
)
def test_a_lie_is_caught(
    monkeypatch: pytest.MonkeyPatch, liar: type, caught: str, says: str
) -> None:
    assert says in failures(monkeypatch, liar)[caught]


def test_a_wrong_direction_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    wrong = (replace(SCORE, direction="higher"),)
    assert "higher is said to be better" in failures(monkeypatch, Honest, scores=wrong)["direction"]


def test_a_metric_sees_only_what_it_reads(monkeypatch: pytest.MonkeyPatch) -> None:
    found = failures(monkeypatch, Honest, reads=("prediction",))
    assert found == {"runs": "KeyError: 'albedo'"}


def test_the_built_in_metrics_conform() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    points = project["entry-points"][GROUP].items()
    metrics = collect(EntryPoint(name, module, GROUP) for name, module in points).metrics
    assert len(metrics) > 10
    for name, card in metrics.items():
        if not name.endswith(("lpips", "vgg", "ms-ssim")):
            assert [finding for finding in check_metric(card) if not finding.ok] == [], name

"""`bench check NAME` for a metric: its card against values on a synthetic scene."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields, is_dataclass, replace
from typing import Any

import numpy as np

from bench.api import Item, Key, Metric, MetricCard, Query, Sample, Score
from bench.conformance import Finding
from bench.conformance.predictions import summary
from bench.conformance.samples import SIZES, view_values
from bench.errors import UnavailableError
from bench.plugins import load, nearest
from bench.protocol import Comparison
from bench.protocol.named import NEUTRAL, PROTOCOLS
from bench.quantities import QUERY_QUANTITIES, Camera, Value

_UNITS = {"item": 1, "pair": 2, "scene": 3, "dataset": 3}


def check_metric(card: MetricCard) -> list[Finding]:
    """Score a perfect and a damaged prediction, and say what holds of the metric's card."""
    try:
        metric: Metric = load(card.implementation)(card)
        perfect = _values(metric, card, damage=False)
        damaged = _values(metric, card, damage=True)
    except UnavailableError as error:
        return [Finding("constructs", False, f"unavailable: {error}")]
    except Exception as error:  # a stranger's metric may raise anything
        return [Finding("runs", False, f"{type(error).__name__}: {error}")]
    both = [*perfect.items(), *damaged.items()]
    findings = [
        _finding("protocols", _unknown_protocols(card)),
        _finding("declared scores", _undeclared(card, both)),
        _finding("bounds", _out_of_bounds(card, both)),
    ]
    if {"prediction", "target"} <= set(card.reads):
        findings.append(_finding("direction", _indifferent(card, perfect, damaged)))
    return findings


def _values(metric: Metric, card: MetricCard, damage: bool) -> dict[str, Mapping[str, float]]:
    """Score id → what the metric returned under that score's comparison."""
    known = [PROTOCOLS[name] for name in card.protocols if name in PROTOCOLS]
    protocol = known[0] if known else NEUTRAL
    found = {}
    for score in card.scores:
        comparison = dict(protocol.comparisons(score.id)).get("", Comparison())
        comparison = replace(comparison, crop=0)  # some protocols crop all of so small a sample
        items = [_item(card, view, damage) for view in range(_UNITS[card.over])]
        found[score.id] = metric(iter(items), comparison)
    return found


def _item(card: MetricCard, view: int, damage: bool) -> Item:
    """One view, with the fields that the card reads."""
    truth = view_values(0, view, 0, SIZES[0])
    query = Query("asked", card.quantity, {}) if card.quantity in QUERY_QUANTITIES else None
    known = truth | dict.fromkeys(QUERY_QUANTITIES, truth["image"])
    wanted = {card.quantity, *card.also} - {""}
    prediction = {name: known[name] for name in wanted}
    if damage and card.quantity:
        prediction[card.quantity] = _damaged(prediction[card.quantity], view)
    whole = Item(
        key=Key("ellipsoid0", f"view{view}"),
        query=query,
        prediction=prediction,
        target={name: known[name] for name in {*wanted, *card.targets, "mask"}},
        inputs=Sample("ellipsoid0", f"view{view}", truth),
        cost={"seconds": 0.25, "memory": 3e6},
    )
    hidden = {"prediction", "target", "inputs", "cost"} - set(card.reads)
    empty: dict[str, Any] = {name: None if name == "inputs" else {} for name in hidden}
    return replace(whole, **empty)


def _damaged(value: Value, seed: int) -> Any:
    """A wrong value of the same kind; of what has rows, every third zero."""
    if isinstance(value, Camera):
        return replace(value, intrinsics=value.intrinsics * 1.1)
    if is_dataclass(value):
        name = fields(value)[0].name
        return replace(value, **{name: _damaged(getattr(value, name), seed)})
    array = np.asarray(value)
    size = max(1.0, float(np.abs(array).max(initial=0)))
    noise = np.random.default_rng(seed).normal(0, 0.3 * size, array.shape)
    noisy = (np.abs(array + noise) + 0.01).astype(np.float32)
    if array.ndim == 1:
        return noisy
    kept = np.arange(array.shape[0]) % 3 > 0
    return noisy * kept.reshape(-1, *[1] * (array.ndim - 1)).astype(np.float32)


def _unknown_protocols(card: MetricCard) -> Iterator[str]:
    for name in card.protocols:
        if name not in PROTOCOLS:
            yield f"{name!r} is no protocol{nearest(name, PROTOCOLS)}"


def _undeclared(
    card: MetricCard, found: Sequence[tuple[str, Mapping[str, float]]]
) -> Iterator[str]:
    declared = {score.id for score in card.scores}
    for asked, values in found:
        for name, value in values.items():
            if name not in declared:
                yield f"returns {name!r}, which the card does not list"
            if not isinstance(value, int | float | np.number) or np.isnan(value):
                yield f"{name} is {value!r}, not a number"
        if asked not in values:
            yield f"{asked} was not returned for a whole item"


def _out_of_bounds(
    card: MetricCard, found: Sequence[tuple[str, Mapping[str, float]]]
) -> Iterator[str]:
    bounds = {score.id: score.bounds for score in card.scores}
    for _, values in found:
        for name, value in values.items():
            low, high = bounds.get(name, (None, None))
            if (low is not None and value < low) or (high is not None and value > high):
                yield f"{name} is {value:.4g}, outside [{low}, {high}]"


def _indifferent(
    card: MetricCard,
    perfect: Mapping[str, Mapping[str, float]],
    damaged: Mapping[str, Mapping[str, float]],
) -> Iterator[str]:
    for score in card.scores:
        best, worse = perfect[score.id].get(score.id), damaged[score.id].get(score.id)
        if best is not None and worse is not None and not _better(score, best, worse):
            yield (
                f"{score.id}: a perfect prediction gets {best:.4g}, a damaged one {worse:.4g}, "
                f"but {score.direction} is said to be better"
            )


def _better(score: Score, first: float, second: float) -> bool:
    return first > second if score.direction == "higher" else first < second


def _finding(check: str, faults: Iterator[str]) -> Finding:
    text = summary(faults)
    return Finding(check, not text, text)

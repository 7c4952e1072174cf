"""protocol + metrics → outcomes. Runs in the scorer's own process; the only reader of targets."""

from __future__ import annotations

import itertools
import math
import sys
import traceback
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

from bench.api import Dataset, Item, Key, Metric, MetricCard, Query
from bench.errors import BenchError, InvalidValueError, UnavailableError
from bench.plugins import load, registry
from bench.protocol import Comparison, Protocol
from bench.protocol.named import PROTOCOLS
from bench.units import Spec, Unit

Cell = tuple[str, str]
"""Score id and column."""

Outcomes = list[list[Any]]
"""[unit, score id, column, kind, value, reason, message] each; ∞ is written "inf"."""


class Scorer:
    """Scores items of stored predictions; holds one dataset open at a time."""

    def __init__(self) -> None:
        self._opened: tuple[Any, Dataset] | None = None
        self._metrics: dict[str, Metric] = {}
        self._calls: dict[Cell, list[tuple[Comparison, list[Cell]]]] = {}

    def score(
        self,
        spec: Mapping[str, Any],
        scene: str,
        work: Sequence[Sequence[Any]],
        keys: Sequence[Key],
    ) -> list[Outcomes]:
        """Carry out `work`, each entry [item id or None, metric, protocol].

        An entry without an id is a pair, scene or dataset metric over all of `keys`.
        """
        job = Spec(**spec)
        make = partial(Unit, job, self._dataset(job))
        units = {key: make(key) for key in keys}
        done = []
        for item, metric_name, protocol_name in work:
            card: MetricCard = registry().find("metric", metric_name)
            protocol = PROTOCOLS[protocol_name]
            if item is not None:
                groups = [[units[Key(scene, item)]]]
            elif card.over == "dataset":
                groups = [[make(key) for key in keys]]
            else:
                groups = _groups(card, list(units.values()))
            done.append(
                [found for group in groups for found in self._group(card, protocol, job, group)]
            )
        return done

    def _dataset(self, job: Spec) -> Dataset:
        wanted = (job.dataset, dict(job.dataset_options))
        if self._opened is None or self._opened[0] != wanted:
            card = registry().find("dataset", job.dataset)
            opened: Any = load(card.implementation)(job.dataset_options)
            self._opened = (wanted, opened)
        return self._opened[1]

    def _metric(self, card: MetricCard) -> Metric:
        if card.name not in self._metrics:
            made: Any = load(card.implementation)(card)
            self._metrics[card.name] = made
        return self._metrics[card.name]

    def _group(
        self, card: MetricCard, protocol: Protocol, job: Spec, units: Sequence[Unit]
    ) -> Outcomes:
        """Score one group of items: one, a pair, a scene's, or the dataset's."""
        which = (card.name, protocol.name)
        if which not in self._calls:
            self._calls[which] = list(calls(card, protocol))
        try:
            queries = _queries(card, units)
        except Exception as error:  # whatever an adapter or metric raises is an outcome
            kind, reason, text = _failure(error)
            name = _unit_name(card, units, None)
            failed = cells(card, protocol)
            return [[name, *cell, kind, None, reason, text] for cell in failed]
        return [
            [_unit_name(card, units, query), *outcome]
            for query in queries
            for comparison, filled in self._calls[which]
            for outcome in self._call(card, job, units, query, comparison, filled)
        ]

    def _call(
        self,
        card: MetricCard,
        job: Spec,
        units: Sequence[Unit],
        query: Query | None,
        comparison: Comparison,
        filled: Sequence[Cell],
    ) -> Outcomes:
        if card.quantity in job.granted:
            return [[*cell, "given", None, "", ""] for cell in filled]
        notes: list[str] = []
        try:
            for status in (unit.status for unit in units):
                if status.kind != "value":
                    tail = [status.kind, None, status.reason, status.message]
                    return [[*cell, *tail] for cell in filled]
            items = _items(card, units, query, comparison, notes)
            values = self._metric(card)(items, comparison) if items is not None else {}
            note = "; ".join(dict.fromkeys(notes))
            return [_outcome(*cell, values[cell[0]], note) for cell in filled if cell[0] in values]
        except Exception as error:  # whatever an adapter or metric raises is an outcome
            kind, reason, text = _failure(error)
            return [[*cell, kind, None, reason, text] for cell in filled]


def _items(
    card: MetricCard,
    units: Sequence[Unit],
    query: Query | None,
    comparison: Comparison,
    notes: list[str],
) -> Iterable[Item] | None:
    """What the metric is called with; None where the truth does not hold what it needs."""
    if card.over == "dataset":
        # A dataset need not fit in memory: each unit is dropped once the metric has seen it.
        fresh = (Unit(unit.job, unit.dataset, unit.key) for unit in units)
        return (u.item(card, query, comparison, notes) for u in fresh if u.knows(card, query))
    if not all(unit.knows(card, query) for unit in units):
        return None
    return [unit.item(card, query, comparison, notes) for unit in units]


def _failure(error: Exception) -> tuple[str, str, str]:
    """Kind, reason and message of what a stranger's metric or adapter raised."""
    if isinstance(error, UnavailableError):
        return "unavailable", "", str(error)
    if isinstance(error, ModuleNotFoundError):
        text = f"{error}; install it: {sys.executable} -m pip install {error.name}"
        return "unavailable", "", text
    if isinstance(error, InvalidValueError):
        return "failed", error.kind, str(error)
    if isinstance(error, BenchError):
        return "failed", "missing", str(error)
    traceback.print_exception(error)
    reason = "memory" if isinstance(error, MemoryError) else "crash"
    return "failed", reason, f"{type(error).__name__}: {error}"


def _outcome(score: str, column: str, value: float, note: str) -> list[Any]:
    if math.isnan(value):
        return [score, column, "failed", None, "non-finite", "the metric is not a number here"]
    written = float(value) if math.isfinite(value) else ("inf" if value > 0 else "-inf")
    return [score, column, "value", written, "", note]


def calls(card: MetricCard, protocol: Protocol) -> Iterator[tuple[Comparison, list[Cell]]]:
    """Each distinct comparison with the cells it fills: one call of the metric each.

    None under a protocol that the metric is not for.
    """
    if card.protocols and protocol.name not in card.protocols:
        return
    filled: dict[Comparison, list[Cell]] = {}
    for score in card.scores:
        for column, comparison in protocol.comparisons(score.id):
            filled.setdefault(comparison, []).append((score.id, column))
    yield from filled.items()


def cells(card: MetricCard, protocol: Protocol) -> list[Cell]:
    """Every cell that a metric fills under a protocol."""
    return [cell for _, filled in calls(card, protocol) for cell in filled]


def _groups(card: MetricCard, units: Sequence[Unit]) -> list[list[Unit]]:
    if card.over == "pair":
        return [list(pair) for pair in itertools.combinations(units, 2)]
    return [list(units)]


def _queries(card: MetricCard, units: Sequence[Unit]) -> list[Query | None]:
    if card.quantity not in ("relit", "view"):
        return [None]
    return [*units[0].queries(card.quantity)]


def _unit_name(card: MetricCard, units: Sequence[Unit], query: Query | None) -> str:
    first = units[0].key
    if card.over == "dataset":
        return ""
    if card.over == "scene":
        return first.scene
    if card.over == "pair":
        return f"{first.scene}/{first.id}~{units[1].key.id}"
    return f"{first.scene}/{first.id}" + (f"/{query.id}" if query else "")

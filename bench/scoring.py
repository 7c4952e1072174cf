"""protocol + metrics → outcomes. Runs in the scorer's own process; the only reader of targets."""

from __future__ import annotations

import itertools
import math
import sys
import traceback
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, Literal, get_args

from bench.api import Dataset, Item, Key, Metric, MetricCard, Query
from bench.errors import BenchError, InvalidValueError, UnavailableError
from bench.plugins import load, registry
from bench.protocol import Comparison, Protocol
from bench.protocol.bodies import read_protocol
from bench.quantities import QUERY_QUANTITIES
from bench.units import Spec, Unit

Cell = tuple[str, str]
"""Score id and column."""

Level = Literal["item", "scene", "dataset"]
"""What a record is of; pairs are recorded with their scene."""

LEVELS: tuple[Level, ...] = get_args(Level)

Outcomes = list[list[Any]]
"""[unit, score id, column, kind, value, reason, message] each; ∞ is written "inf"."""


class Scorer:
    """Scores items of stored predictions; holds one dataset open at a time.

    `protocols` are those it is asked for, each as `dataclasses.asdict` gives it.
    """

    def __init__(self, protocols: Sequence[Mapping[str, Any]]) -> None:
        self._protocols = {body["name"]: read_protocol(body) for body in protocols}
        self._opened: tuple[Any, Dataset] | None = None
        self._metrics: dict[str, Metric] = {}
        self._calls: dict[tuple[str, str, Level], list[Call]] = {}

    def score(
        self,
        spec: Mapping[str, Any],
        scene: str,
        work: Sequence[Sequence[Any]],
        keys: Sequence[Key],
    ) -> list[Outcomes]:
        """Carry out `work`, each entry [item id or None, metric, protocol].

        An entry without an id is of the whole scene (its pairs, where the metric is over pairs) or,
        where `scene` is "", of the dataset: all of `keys`.
        """
        job = Spec(**spec)
        make = partial(Unit, job, self._dataset(job))
        units = {key: make(key) for key in keys}
        done = []
        for item, metric_name, protocol_name in work:
            card: MetricCard = registry().find("metric", metric_name)
            protocol, level = self._protocols[protocol_name], level_of(scene, item)
            if item is not None:
                groups = [[units[Key(scene, item)]]]
            elif level == "dataset":
                groups = [[make(key) for key in keys]]
            else:
                groups = _groups(card, list(units.values()))
            done.append(
                [
                    found
                    for group in groups
                    for found in self._group(card, protocol, level, job, group)
                ]
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
        self, card: MetricCard, protocol: Protocol, level: Level, job: Spec, units: Sequence[Unit]
    ) -> Outcomes:
        """Score one group of items: one, a pair, a scene's, or the dataset's."""
        which = (card.name, protocol.name, level)
        if which not in self._calls:
            self._calls[which] = list(calls(card, protocol, level))
        try:
            queries = [None] if _pooled(card, level) else _queries(card, units)
        except Exception as error:  # whatever an adapter or metric raises is an outcome
            kind, reason, text = _failure(error)
            name = _unit_name(card, level, units, None)
            failed = cells(card, protocol, level)
            return [[name, *cell, kind, None, reason, text] for cell in failed]
        return [
            [_unit_name(card, level, units, query), *outcome]
            for query in queries
            for comparison, filled in self._calls[which]
            for outcome in self._call(card, level, job, units, query, comparison, filled)
        ]

    def _call(
        self,
        card: MetricCard,
        level: Level,
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
            items = _items(card, level, units, query, comparison, notes)
            values = self._metric(card)(items, comparison) if items is not None else {}
            note = "; ".join(dict.fromkeys(notes))
            return [_outcome(*cell, values[cell[0]], note) for cell in filled if cell[0] in values]
        except Exception as error:  # whatever an adapter or metric raises is an outcome
            kind, reason, text = _failure(error)
            return [[*cell, kind, None, reason, text] for cell in filled]


def _items(
    card: MetricCard,
    level: Level,
    units: Sequence[Unit],
    query: Query | None,
    comparison: Comparison,
    notes: list[str],
) -> Iterable[Item] | None:
    """What the metric is called with; None where the truth does not hold what it needs."""

    def known(unit: Unit) -> Iterator[Item]:
        for asked in _queries(card, [unit]) if _pooled(card, level) else [query]:
            if unit.knows(card, asked):
                yield unit.item(card, asked, comparison, notes)

    if level == "dataset":
        # A dataset need not fit in memory: each unit is dropped once the metric has seen it.
        fresh = (Unit(unit.job, unit.dataset, unit.key) for unit in units)
        return (item for unit in fresh for item in known(unit))
    if _pooled(card, level):
        return [item for unit in units for item in known(unit)] or None
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


Call = tuple[Comparison, list[Cell]]
"""A distinct comparison, and the cells that one call of the metric under it fills."""


def calls(card: MetricCard, protocol: Protocol, level: Level | None = None) -> Iterator[Call]:
    """The calls of a metric under a protocol: those of one level, or all.

    None under a protocol that the metric is not for.
    """
    if card.protocols and not {protocol.name, protocol.base} & set(card.protocols):
        return
    filled: dict[Comparison, list[Cell]] = {}
    for score in card.scores:
        for column, comparison in protocol.comparisons(score.id):
            filled.setdefault(comparison, []).append((score.id, column))
    for comparison, cells_of_call in filled.items():
        if level in (None, _level(card, comparison)):
            yield comparison, cells_of_call


def cells(card: MetricCard, protocol: Protocol, level: Level | None = None) -> list[Cell]:
    """Every cell that a metric fills under a protocol, or those of one level."""
    return [cell for _, filled in calls(card, protocol, level) for cell in filled]


def level_of(scene: str, item: str | None) -> Level:
    """What a record of this scene ("" for all) and item (None for all of the scene) is of."""
    if item is not None:
        return "item"
    return "scene" if scene else "dataset"


def _level(card: MetricCard, comparison: Comparison) -> Level:
    if card.over == "item" and card.pools:
        return comparison.unit
    return "scene" if card.over == "pair" else card.over


def _pooled(card: MetricCard, level: Level) -> bool:
    """Whether one call of a metric over items takes many of them, each with all its queries."""
    return card.over == "item" and level != "item"


def _groups(card: MetricCard, units: Sequence[Unit]) -> list[list[Unit]]:
    if card.over == "pair":
        return [list(pair) for pair in itertools.combinations(units, 2)]
    return [list(units)]


def _queries(card: MetricCard, units: Sequence[Unit]) -> list[Query | None]:
    if card.quantity not in QUERY_QUANTITIES:
        return [None]
    return [*units[0].queries(card.quantity)]


def _unit_name(card: MetricCard, level: Level, units: Sequence[Unit], query: Query | None) -> str:
    first = units[0].key
    if level == "dataset":
        return ""
    if card.over == "pair":
        return f"{first.scene}/{first.id}~{units[1].key.id}"
    if level == "scene":
        return first.scene
    return f"{first.scene}/{first.id}" + (f"/{query.id}" if query else "")

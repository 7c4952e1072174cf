"""protocol + metrics → outcomes. Runs in the scorer's own process; the only reader of targets."""

from __future__ import annotations

import itertools
import math
import traceback
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from bench.api import Dataset, Item, Key, Metric, MetricCard, Query, Sample, Targets
from bench.errors import InvalidValueError, UnavailableError
from bench.plugins import load, registry
from bench.protocol import Comparison, Protocol
from bench.protocol.apply import resize
from bench.protocol.named import PROTOCOLS
from bench.quantities import VOCABULARY, Values
from bench.references import Oracle, RenderNoise
from bench.store import ItemStatus, Store

Outcomes = list[list[Any]]
"""[unit, score id, column, kind, value, reason, message] each; ∞ is written "inf"."""


@dataclass(frozen=True)
class Spec:
    """What the scorer must know of one job; travels as a dictionary."""

    store: str
    job: str
    kind: str
    dataset: str
    dataset_options: Mapping[str, Any]
    split: str
    granted: Sequence[str]
    answers: Sequence[str]


class Scorer:
    """Scores items of stored predictions; holds one dataset open at a time."""

    def __init__(self) -> None:
        self._opened: tuple[Any, Dataset] | None = None
        self._metrics: dict[str, Metric] = {}

    def score(
        self,
        spec: Mapping[str, Any],
        scene: str,
        work: Sequence[Sequence[Any]],
        everything: Sequence[Key],
    ) -> list[Outcomes]:
        """Carry out `work`, each entry [item id or None, metric, protocol].

        An entry without an id is a pair, scene or dataset metric over `everything`.
        """
        job = Spec(**spec)
        dataset = self._dataset(job)
        views = {key: _Unit(job, dataset, key) for key in everything}
        done = []
        for item, metric_name, protocol_name in work:
            card: MetricCard = registry().find("metric", metric_name)
            units = (
                [[views[Key(scene, item)]]] if item is not None else _groups(card, views.values())
            )
            scored = [self._group(card, PROTOCOLS[protocol_name], job, unit) for unit in units]
            done.append([outcome for outcomes in scored for outcome in outcomes])
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
        self, card: MetricCard, protocol: Protocol, job: Spec, units: Sequence[_Unit]
    ) -> Outcomes:
        """Score one group of items: one, a pair, a scene's, or the dataset's."""
        outcomes: Outcomes = []
        for query in _queries(card, job, units):
            name = _unit_name(card, units, query)
            for comparison, cells in _calls(card, protocol):
                outcomes += [
                    [name, *outcome]
                    for outcome in self._call(card, job, units, query, comparison, cells)
                ]
        return outcomes

    def _call(
        self,
        card: MetricCard,
        job: Spec,
        units: Sequence[_Unit],
        query: Query | None,
        comparison: Comparison,
        cells: Sequence[tuple[str, str]],
    ) -> Outcomes:
        if card.quantity in job.granted:
            return [[*cell, "given", None, "", ""] for cell in cells]
        for unit in units:
            if unit.status.kind != "value":
                status = unit.status
                return [[*cell, status.kind, None, status.reason, status.message] for cell in cells]
        notes: list[str] = []
        try:
            if not all(unit.knows(card, query) for unit in units):
                return []
            items = [unit.item(card, query, comparison, notes) for unit in units]
            values = self._metric(card)(items, comparison)
        except UnavailableError as error:
            return [[*cell, "unavailable", None, "", str(error)] for cell in cells]
        except InvalidValueError as error:
            return [[*cell, "failed", None, error.kind, str(error)] for cell in cells]
        except Exception as error:  # a stranger's metric or adapter may raise anything
            traceback.print_exception(error)
            text = f"{type(error).__name__}: {error}"
            return [[*cell, "failed", None, "crash", text] for cell in cells]
        note = "; ".join(dict.fromkeys(notes))
        return [_outcome(*cell, values[cell[0]], note) for cell in cells if cell[0] in values]


def _outcome(score: str, column: str, value: float, note: str) -> list[Any]:
    if math.isnan(value):
        return [score, column, "failed", None, "non-finite", "the metric is not a number here"]
    written = float(value) if math.isfinite(value) else ("inf" if value > 0 else "-inf")
    return [score, column, "value", written, "", note]


def _calls(
    card: MetricCard, protocol: Protocol
) -> Iterator[tuple[Comparison, list[tuple[str, str]]]]:
    """Each distinct comparison with the (score id, column) cells it fills: one call each."""
    cells: dict[Comparison, list[tuple[str, str]]] = {}
    for score in card.scores:
        for column, comparison in protocol.comparisons(score.id):
            cells.setdefault(comparison, []).append((score.id, column))
    yield from cells.items()


def _groups(card: MetricCard, units: Iterable[_Unit]) -> list[list[_Unit]]:
    members = list(units)
    if card.over == "pair":
        return [list(pair) for pair in itertools.combinations(members, 2)]
    return [members]


def _queries(card: MetricCard, job: Spec, units: Sequence[_Unit]) -> list[Query | None]:
    if card.quantity not in ("relit", "view"):
        return [None]
    return [query for query in units[0].asked if query.quantity == card.quantity]


def _unit_name(card: MetricCard, units: Sequence[_Unit], query: Query | None) -> str:
    first = units[0].key
    if card.over == "dataset":
        return ""
    if card.over == "scene":
        return first.scene
    if card.over == "pair":
        return f"{first.scene}/{first.id}~{units[1].key.id}"
    return f"{first.scene}/{first.id}" + (f"/{query.id}" if query else "")


class _Unit:
    """One item as metrics see it; each part is read when first asked for."""

    def __init__(self, job: Spec, dataset: Dataset, key: Key) -> None:
        self._job, self._dataset, self.key = job, dataset, key

    @cached_property
    def status(self) -> ItemStatus:
        if self._job.kind in ("oracle", "noise"):
            return ItemStatus(key="", kind="value")
        status = Store(Path(self._job.store)).status(self._job.job, self.key)
        return status or ItemStatus("", "failed", "missing", "no prediction was stored")

    @cached_property
    def sample(self) -> Sample:
        return self._dataset.inputs(self._job.split, self.key)

    @cached_property
    def targets(self) -> Targets:
        return self._dataset.targets(self._job.split, self.key)

    @cached_property
    def asked(self) -> list[Query]:
        """The queries this job answers and the dataset knows the answer to."""
        return [
            query
            for query in self.sample.queries
            if query.quantity in self._job.answers and query.id in self.targets.queries
        ]

    @cached_property
    def prediction(self) -> Values:
        if self._job.kind == "oracle":
            return Oracle().predict(self.sample, self.targets)
        if self._job.kind == "noise":
            dataset: Any = self._dataset
            return RenderNoise().predict(dataset, self._job.split, self.key)
        return Store(Path(self._job.store)).prediction(self._job.job, self.key)

    def knows(self, card: MetricCard, query: Query | None) -> bool:
        """Whether the truth of this very item holds what the metric needs."""
        truth = self.targets.queries[query.id] if query else self.targets.quantities
        return all(
            name in truth or name in self.sample.inputs
            for name in card.targets
            if name not in ("relit", "view") or query is not None
        ) and all(name in self.sample.inputs for name in card.inputs)

    def item(
        self, card: MetricCard, query: Query | None, comparison: Comparison, notes: list[str]
    ) -> Item:
        """The item a metric is called with; `notes` says what was resized."""
        truth = self.targets.queries[query.id] if query else self.targets.quantities
        prediction: Values = {}
        if "prediction" in card.reads:
            prediction = self._predicted(card, query)
            prediction = _at_target_size(prediction, truth, comparison, notes)
        return Item(
            key=self.key,
            query=query,
            prediction=prediction,
            target=_with_mask(truth, self.sample, query) if "target" in card.reads else {},
            inputs=self.sample if "inputs" in card.reads else None,
            cost={"seconds": self.status.seconds, "memory": self.status.memory},
        )

    def _predicted(self, card: MetricCard, query: Query | None) -> Values:
        name = query.id if query else card.quantity
        if name and name not in self.prediction:
            raise InvalidValueError("missing", f"{name} was not predicted")
        if query is None:
            return self.prediction
        return {**self.prediction, query.quantity: self.prediction[query.id]}


def _with_mask(truth: Values, sample: Sample, query: Query | None) -> Values:
    # A query states its own mask; the sample's mask holds for the sample's own view.
    if query is not None or "mask" in truth or "mask" not in sample.inputs:
        return truth
    return {**truth, "mask": sample.inputs["mask"]}


def _at_target_size(
    prediction: Values, truth: Values, comparison: Comparison, notes: list[str]
) -> Values:
    resized = dict(prediction)
    for name, value in prediction.items():
        target = truth.get(name)
        if name not in VOCABULARY or not isinstance(value, np.ndarray) or value.ndim != 3:
            continue
        if isinstance(target, np.ndarray) and value.shape[:2] != target.shape[:2]:
            height, width = target.shape[:2]
            resized[name] = resize(value, height, width, comparison.resize)
            was = f"{value.shape[0]}×{value.shape[1]}"
            notes.append(f"{name} resized {was} → {height}×{width} ({comparison.resize})")
    return resized


def score(
    prediction: Values,
    target: Values,
    protocol: str = "neutral",
    inputs: Values | None = None,
) -> dict[str, float]:
    """Score a user's own arrays.

    Args:
        prediction: quantity → H×W×C array (H×W accepted for one-channel quantities).
        target: quantity → truth, with `mask` where there is one.
        protocol: name of a protocol; see `bench list protocols`.
        inputs: quantity → value, for metrics that read them (camera, image).

    Returns:
        Metric id → value, a second column's as "albedo.psnr/single".

    Raises:
        InvalidValueError: where an array breaks the contract of its quantity.
        UnavailableError: never; metrics whose weights cannot be had are left out.
    """
    from bench.errors import ConfigError
    from bench.plugins import nearest
    from bench.protocol import written
    from bench.quantities import validate

    if protocol not in PROTOCOLS:
        raise ConfigError(f"unknown protocol {protocol!r}{nearest(protocol, PROTOCOLS)}")
    given, truth = _shaped(prediction), _shaped(target)
    for name, value in [*given.items(), *truth.items()]:
        validate(name, value)
    key = Key("", "")
    sample = Sample("", "", {**_shaped(inputs or {})})
    item = Item(key, None, given, truth, sample)
    values: dict[str, float] = {}
    scorer = Scorer()
    for card in registry().metrics.values():
        wanted = {card.quantity, *card.also} - {""}
        known = set(truth) | set(sample.inputs)
        if card.over != "item" or not wanted or not wanted <= set(given):
            continue
        if not set(card.targets) <= known or not set(card.inputs) <= set(sample.inputs):
            continue
        for comparison, cells in _calls(card, PROTOCOLS[protocol]):
            sized = replace(item, prediction=_at_target_size(given, truth, comparison, []))
            try:
                found = scorer._metric(card)([sized], comparison)
            except UnavailableError:
                continue  # stated in Returns: a number that cannot be had is not there
            values |= {written(i, column): found[i] for i, column in cells if i in found}
    return values


def _shaped(values: Values) -> dict[str, Any]:
    return {
        name: value[..., None] if isinstance(value, np.ndarray) and value.ndim == 2 else value
        for name, value in values.items()
    }

"""One item of one job as metrics see it; each part is read when it is first asked for."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from bench.api import Dataset, Item, Key, MetricCard, Query, Sample, Targets
from bench.errors import InvalidValueError
from bench.handover import taken
from bench.protocol import Comparison
from bench.protocol.apply import resize
from bench.quantities import QUERY_QUANTITIES, VOCABULARY, Values
from bench.references import Oracle, RenderNoise
from bench.store import ItemStatus, Store


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
    answers: Mapping[str, Sequence[str]]


class Unit:
    """An item with its prediction, its truth and what its method was asked."""

    def __init__(self, job: Spec, dataset: Dataset, key: Key) -> None:
        self.job, self.dataset, self.key = job, dataset, key
        self._shared: dict[str, dict[Any, Any]] = defaultdict(dict)

    @cached_property
    def status(self) -> ItemStatus:
        """What became of the prediction. Raises `StoreError`."""
        if self.job.kind in ("oracle", "noise"):
            return ItemStatus(key="", kind="value")
        status = Store(Path(self.job.store)).status(self.job.job, self.key)
        return status or ItemStatus("", "failed", "missing", "no prediction was stored")

    @cached_property
    def sample(self) -> Sample:
        """The sample as the dataset offers it. Raises `DataError`."""
        return self.dataset.inputs(self.job.split, self.key)

    @cached_property
    def targets(self) -> Targets:
        """The truth. Raises `DataError`."""
        return self.dataset.targets(self.job.split, self.key)

    def queries(self, quantity: str) -> list[Query]:
        """The queries of a quantity this job answers and the dataset knows the answer to."""
        return [
            query
            for query in self.sample.queries
            if query.quantity == quantity
            and query.id in self.targets.queries
            and taken(query, self.sample, self.job.answers.get(quantity, ())) is not None
        ]

    @cached_property
    def prediction(self) -> Values:
        """What was predicted. Raises `DataError`."""
        if self.job.kind == "oracle":
            return Oracle().predict(self.sample, self.targets)
        if self.job.kind == "noise":
            rerendering: Any = self.dataset
            return RenderNoise().predict(rerendering, self.job.split, self.key)
        return Store(Path(self.job.store)).prediction(self.job.job, self.key)

    def knows(self, card: MetricCard, query: Query | None) -> bool:
        """Whether the truth of this very item holds what the metric needs."""
        truth = self._truth(query)
        return all(
            name in truth or name in self.sample.inputs
            for name in card.targets
            if name not in QUERY_QUANTITIES or query is not None
        ) and all(name in self.sample.inputs for name in card.inputs)

    def item(
        self, card: MetricCard, query: Query | None, comparison: Comparison, notes: list[str]
    ) -> Item:
        """The item a metric is called with; what was resized is added to `notes`.

        Raises:
            InvalidValueError: of kind "missing" where what the metric needs was not predicted.
        """
        truth = self._truth(query)
        prediction: Values = {}
        if "prediction" in card.reads:
            prediction = self._predicted(card, query)
            prediction = at_target_size(prediction, truth, comparison, notes)
        return Item(
            key=self.key,
            query=query,
            prediction=prediction,
            target=_with_mask(truth, self.sample, query) if "target" in card.reads else {},
            inputs=self.sample if "inputs" in card.reads else None,
            shared=self._shared[query.id if query else ""],
            cost={"seconds": self.status.seconds, "memory": self.status.memory},
        )

    def _truth(self, query: Query | None) -> Values:
        return self.targets.queries[query.id] if query else self.targets.quantities

    def _predicted(self, card: MetricCard, query: Query | None) -> Values:
        name = query.id if query else card.quantity
        for needed in (name, *card.also):
            if needed and needed not in self.prediction:
                raise InvalidValueError("missing", f"{needed} was not predicted")
        if query is None:
            return self.prediction
        return {**self.prediction, query.quantity: self.prediction[query.id]}


def _with_mask(truth: Values, sample: Sample, query: Query | None) -> Values:
    # A query states its own mask; the sample's mask holds for the sample's own view.
    if query is not None or "mask" in truth or "mask" not in sample.inputs:
        return truth
    return {**truth, "mask": sample.inputs["mask"]}


def at_target_size(
    prediction: Values, truth: Values, comparison: Comparison, notes: list[str]
) -> Values:
    """The prediction with each image brought to its target's size by the comparison's rule."""
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

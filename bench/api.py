"""The plugin contract on one screen: hooks, cards, and what the implementations must offer."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, runtime_checkable

import pluggy

from bench.cards import (
    Command,
    DatasetCard,
    Diagnosis,
    MethodCard,
    MetricCard,
    Option,
    PublishedValue,
    ReportCard,
    Score,
    Weights,
)
from bench.quantities import Value, Values

if TYPE_CHECKING:
    from bench.protocol import Comparison
    from bench.quantities import Array

__all__ = [
    "Command",
    "Dataset",
    "DatasetCard",
    "Diagnosis",
    "Item",
    "Key",
    "Method",
    "MethodCard",
    "Metric",
    "MetricCard",
    "Option",
    "Outcome",
    "Prediction",
    "PublishedValue",
    "Query",
    "Report",
    "ReportCard",
    "RerenderingDataset",
    "Row",
    "RunView",
    "Sample",
    "SceneMethod",
    "Score",
    "Targets",
    "TraceableDataset",
    "Weights",
    "bench_datasets",
    "bench_methods",
    "bench_metrics",
    "bench_reports",
    "hookimpl",
    "hookspec",
]

hookspec = pluggy.HookspecMarker("invrender_bench")
hookimpl = pluggy.HookimplMarker("invrender_bench")


@hookspec
def bench_methods() -> Iterable[MethodCard]:  # type: ignore[empty-body]
    """Offer methods."""


@hookspec
def bench_datasets() -> Iterable[DatasetCard]:  # type: ignore[empty-body]
    """Offer datasets."""


@hookspec
def bench_metrics() -> Iterable[MetricCard]:  # type: ignore[empty-body]
    """Offer metrics."""


@hookspec
def bench_reports() -> Iterable[ReportCard]:  # type: ignore[empty-body]
    """Offer reports."""


class Key(NamedTuple):
    """Where a sample stands: "scene/id" is unique within a split."""

    scene: str
    id: str


@dataclass(frozen=True, eq=False)
class Query:
    """What else is asked: `quantity` is "relit" or "view"; `condition` holds an environment, a
    camera, a reference photo, a framebuffer, or several; `id` is no quantity's name."""

    id: str
    quantity: str
    condition: Values


@dataclass(frozen=True, eq=False)
class Sample:
    """One thing to be explained.

    Attributes:
        inputs: quantity → value: what the method needs, and what it was granted.
        context: further posed views of the same scene, each quantity → value.
        queries: answered under their id.
        seed: a hash of run seed and id; every random choice must come from it.
    """

    scene: str
    id: str
    inputs: Values
    context: tuple[Values, ...] = ()
    queries: tuple[Query, ...] = ()
    seed: int = 0


@dataclass(frozen=True, eq=False)
class Targets:
    """The truth about one sample: quantity → value, and query id → (quantity → value), the latter
    with the `mask` of the pixels to be scored where there is one."""

    quantities: Values
    queries: Mapping[str, Values] = field(default_factory=dict)


Prediction = Mapping[str, Value]
"""Quantity → value, and query id → array."""


class Method(Protocol):
    """Scope image. `device` is "cpu" or "cuda:N"; arrays cross as NumPy."""

    def __init__(self, options: Mapping[str, Any], device: str) -> None: ...

    def predict(self, samples: Sequence[Sample]) -> Sequence[Prediction]:
        """Explain each sample by itself: a batch must give what batches of one give."""


class SceneMethod(Protocol):
    """Scope scene. `folder` outlives a killed process: keep checkpoints there to resume."""

    def __init__(self, options: Mapping[str, Any], device: str) -> None: ...

    def fit(self, samples: Sequence[Sample], folder: Path) -> Mapping[str, Array]:
        """Optimise on all samples of one scene; the returned state is stored by the harness."""

    def predict(self, state: Mapping[str, Array], sample: Sample) -> Prediction:
        """Explain one sample of the fitted scene."""


class Dataset(Protocol):
    """`inputs` must work with every target file removed."""

    def __init__(self, options: Mapping[str, Any]) -> None: ...

    def samples(self, split: str) -> Sequence[Key]:
        """All samples in a fixed order, those of a scene together; cheap, nothing is decoded."""

    def fingerprint(self, split: str) -> str:
        """A digest of all that can change an input or a target, from checksums or file stamps."""

    def inputs(self, split: str, key: Key) -> Sample:
        """Decode what every method may see. Raises `DataError` naming the file."""

    def targets(self, split: str, key: Key) -> Targets:
        """Decode the truth. Raises `DataError` naming the file."""


@dataclass(frozen=True, eq=False)
class Source:
    """A dataset that a command works on, such as training: `name` and `options` as they were given,
    `dataset` constructed from them."""

    name: str
    options: Mapping[str, Any]
    dataset: Dataset

    def seen(self, split: str) -> list[str]:
        """What weights trained on a split carry: "dataset:split:fingerprint", and of each scene
        "dataset:split/scene:digest" where the dataset is a `TraceableDataset`."""
        where = f"{self.name}:{split}"
        scenes: Mapping[str, str] = {}
        if isinstance(self.dataset, TraceableDataset):
            scenes = self.dataset.scene_digests(split)
        fingerprint = self.dataset.fingerprint(split)
        return [
            f"{where}:{fingerprint}",
            *(f"{where}/{scene}:{digest}" for scene, digest in scenes.items()),
        ]


@runtime_checkable
class TraceableDataset(Dataset, Protocol):
    """A dataset that recognises a scene in another split or folder."""

    def scene_digests(self, split: str) -> Mapping[str, str]:
        """Scene → a digest of its content, the same wherever the same scene stands."""


class RerenderingDataset(Dataset, Protocol):
    """A dataset that can say what its own render noise costs."""

    def rerendered(self, split: str, key: Key) -> Prediction:
        """The rendered targets once more, with independent noise: query id → array."""


@dataclass(frozen=True, eq=False)
class Item:
    """What a metric sees of one unit; fields not in the card's `reads` are empty.

    Attributes:
        query: the query scored, where the metric's quantity is one.
        prediction: quantity → value, resized to the target by the comparison's rule.
        target: quantity → value; for a query its own, with the mask to be scored.
        inputs: the sample as the dataset offers it.
        cost: "seconds" and "memory" (bytes) of this item.
        shared: what one metric made of it and the next need not make again, by a key of its own.
    """

    key: Key
    query: Query | None = None
    prediction: Values = field(default_factory=dict)
    target: Values = field(default_factory=dict)
    inputs: Sample | None = None
    cost: Mapping[str, float] = field(default_factory=dict)
    shared: dict[Any, Any] = field(default_factory=dict)


class Metric(Protocol):
    """One call per unit: one item, two, a scene's, or (as an iterator) the dataset's."""

    def __init__(self, card: MetricCard) -> None: ...

    def __call__(self, items: Iterable[Item], comparison: Comparison) -> Mapping[str, float]:
        """Score id → value. Raise `UnavailableError` where weights cannot be had; leave out an id
        that is undefined for this unit."""


class Outcome(NamedTuple):
    """One cell of the long table a report reads.

    Attributes:
        unit: "scene/id", "scene/id/query", "scene/id~id" for a pair, "scene" or "".
        column: second column of the protocol, "" for the first.
        kind: "value", "failed", "unavailable" or "given".
        reason: of a failure: crash, timeout, memory, missing, shape, non-finite, range.
    """

    label: str
    dataset: str
    split: str
    scene: str
    unit: str
    metric: str
    column: str
    protocol: str
    kind: str
    value: float | None = None
    reason: str = ""
    message: str = ""


@dataclass(frozen=True)
class Row:
    """One method under one configuration on one dataset split.

    Attributes:
        kind: "method", "floor", "oracle", "noise" or "published"; only methods without privilege
            are ranked.
        input_class: views, mask, camera, geometry, light, fit, training → its word.
        privileged: quantities granted (‡).
    """

    label: str
    method: str
    dataset: str
    split: str
    kind: str
    input_class: Mapping[str, str]
    privileged: tuple[str, ...] = ()
    items: int = 0

    @property
    def ranked(self) -> bool:
        """Whether this row competes for rank and bold."""
        return self.kind == "method" and not self.privileged

    @property
    def group(self) -> tuple[str, str, str]:
        """Rank and bold stay among rows of the same views, geometry and light condition."""
        return (self.input_class["views"], self.input_class["geometry"], self.input_class["light"])


class RunView(Protocol):
    """A finished or running benchmark, as a report reads it."""

    name: str
    path: Path
    manifest: Mapping[str, Any]

    @property
    def rows(self) -> Sequence[Row]:
        """Every row, in the order of the benchmark file."""

    @property
    def scores(self) -> Mapping[str, Score]:
        """Every score id with its title, direction, unit and range."""

    def outcomes(self) -> Iterator[Outcome]:
        """Every current outcome, in a stable order."""

    def keys(self, dataset: str, split: str) -> Sequence[Key]:
        """The samples of a split that this run covered."""

    def sample(self, dataset: str, split: str, key: Key) -> Sample:
        """The sample as the dataset offers it. Raises `DataError` where the data is not here."""

    def targets(self, dataset: str, split: str, key: Key) -> Targets:
        """The truth. Raises `DataError` where the data is not here."""

    def prediction(self, row: Row, key: Key) -> Prediction:
        """What was predicted; empty where nothing was."""


class Report(Protocol):
    """Writes files into a folder from what was recorded."""

    def write(self, run: RunView, folder: Path) -> Sequence[Path]:
        """Write the files and return their paths."""

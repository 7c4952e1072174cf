"""The plugin contract on one screen: hooks, cards, and what the implementations must offer.

A plugin package exposes any of the four hooks, each returning cards. A card is a frozen,
standard-library-only description; listing, planning and validation read cards alone, and the
implementation it names ("package.module:Class") is imported only where it runs.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Protocol

import pluggy

from bench.quantities import Value, Values

if TYPE_CHECKING:
    from bench.protocol import Comparison
    from bench.quantities import Array

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


@dataclass(frozen=True)
class Option:
    """One setting of a card: bench.toml key, command-line flag and keyword argument.

    Attributes:
        type: str, int, float, bool or pathlib.Path (relative to the benchmark file).
        default: None where the option must be given or means "not set"; see `required`.
        bounds: inclusive range of a number, None where unbounded.
    """

    name: str
    type: type
    default: Any = None
    choices: tuple[Any, ...] = ()
    bounds: tuple[float | None, float | None] = (None, None)
    help: str = ""
    required: bool = False


@dataclass(frozen=True)
class Command:
    """`bench VERB NAME …` calls `entry` ("package.module:function") with the options by keyword.

    The verb "doctor" is called by `bench doctor`, without options, and returns `Diagnosis` entries.
    """

    verb: str
    entry: str
    options: tuple[Option, ...] = ()
    help: str = ""


@dataclass(frozen=True)
class Diagnosis:
    """One thing that was looked for on this machine.

    Attributes:
        remedy: the command that brings it; empty where nothing is to be done.
        needed: the default benchmark does not run without it.
    """

    what: str
    works: bool
    found: str
    remedy: str = ""
    needed: bool = False


@dataclass(frozen=True)
class MethodCard:
    """What a method is and what it meets.

    Attributes:
        implementation: "package.module:Class", a `Method` or `SceneMethod`.
        version: changes whenever predictions may change; stored predictions of another are stale.
        needs: input quantities, always handed over; a dataset must offer all of them.
        uses: quantities it can profit from where bench.toml grants them (`privileged`).
        predicts: quantities of each prediction.
        answers: query quantity → conditions it can take, best first; "camera+reference" is both.
        views: "one" view is handed over, with the sample's context "few"; "many" for scope scene.
        scope: "image": predict(samples); "scene": fit(samples of a scene), then predict.
        batch: most samples per call of predict.
        fit: what is optimised at test time.
        training: what learned weights have seen.
        floor: a trivial method, shown and never ranked.
    """

    name: str
    title: str
    implementation: str
    version: int = 1
    licence: str = ""
    paper: str = ""
    needs: tuple[str, ...] = ("image",)
    uses: tuple[str, ...] = ()
    predicts: tuple[str, ...] = ()
    answers: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    views: Literal["one", "few", "many"] = "one"
    scope: Literal["image", "scene"] = "image"
    batch: int = 1
    fit: Literal["feed-forward", "per image", "per scene"] = "feed-forward"
    training: Literal["none", "general", "in-domain"] = "none"
    floor: bool = False
    options: tuple[Option, ...] = ()
    commands: tuple[Command, ...] = ()


@dataclass(frozen=True)
class DatasetCard:
    """What a dataset is and what it knows.

    Attributes:
        inputs: quantities every sample offers.
        targets: quantities it knows the truth of; any of them may be granted to a method.
        queries: query quantity → its conditions, e.g. {"relit": ("environment",)}.
        context: samples carry further posed views.
        rerenders: the implementation has `rerendered`, so a render-noise row is possible.
        scopes: method scopes it admits; without "scene" where one sample's input shows what
            another's query hides.
        splits: named splits; empty where the user's folder decides.
    """

    name: str
    title: str
    implementation: str
    version: int = 1
    licence: str = ""
    paper: str = ""
    url: str = ""
    scopes: tuple[str, ...] = ("image", "scene")
    inputs: tuple[str, ...] = ("image",)
    targets: tuple[str, ...] = ()
    queries: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    context: bool = False
    rerenders: bool = False
    splits: tuple[str, ...] = ()
    options: tuple[Option, ...] = ()
    commands: tuple[Command, ...] = ()


@dataclass(frozen=True)
class Score:
    """One number a metric returns: its id, direction, unit and inclusive range."""

    id: str
    title: str
    direction: Literal["lower", "higher"]
    unit: str = ""
    bounds: tuple[float | None, float | None] = (None, None)
    ranked: bool = True


@dataclass(frozen=True)
class MetricCard:
    """What a metric measures.

    Attributes:
        implementation: "package.module:Class", a `Metric`.
        version: changes whenever a value may change; it is part of every record's key.
        quantity: what a prediction must hold; a query quantity (relit, view) is scored per query;
            "" for a metric of cost alone.
        also: further quantities the prediction must hold.
        targets: quantities the dataset must know.
        inputs: quantities the dataset must offer.
        over: the unit of one call: an item, a pair of items of a scene, a scene, or the dataset.
        reads: which fields of `Item` are filled.
    """

    name: str
    title: str
    implementation: str
    scores: tuple[Score, ...]
    version: int = 1
    quantity: str = ""
    also: tuple[str, ...] = ()
    targets: tuple[str, ...] = ()
    inputs: tuple[str, ...] = ()
    over: Literal["item", "pair", "scene", "dataset"] = "item"
    reads: tuple[Literal["prediction", "target", "inputs", "cost"], ...] = ("prediction", "target")
    licence: str = ""
    paper: str = ""
    commands: tuple[Command, ...] = ()


@dataclass(frozen=True)
class ReportCard:
    """A report: the implementation is a `Report`; `files` are what it writes, for `bench list`."""

    name: str
    title: str
    implementation: str
    files: tuple[str, ...] = ()


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
    """

    key: Key
    query: Query | None = None
    prediction: Values = field(default_factory=dict)
    target: Values = field(default_factory=dict)
    inputs: Sample | None = None
    cost: Mapping[str, float] = field(default_factory=dict)


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
        kind: "method", "floor", "oracle" or "noise"; only methods without privilege are ranked.
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

"""Cards: frozen, standard-library-only descriptions of what a plugin offers.

Listing, planning, validation of options and `--help` read cards alone; the implementation a card
names ("package.module:Class") is imported only where it runs.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal


@dataclass(frozen=True)
class Option:
    """One setting of a card: bench.toml key, command-line flag and keyword argument.

    Attributes:
        type: str, int, float, bool or pathlib.Path (relative to the benchmark file).
        default: None where the option must be given or means "not set"; see `required`.
        bounds: inclusive range of a number, None where unbounded.
        positional: of a command, written as a word without its name.
    """

    name: str
    type: type
    default: Any = None
    choices: tuple[Any, ...] = ()
    bounds: tuple[float | None, float | None] = (None, None)
    help: str = ""
    required: bool = False
    positional: bool = False


@dataclass(frozen=True)
class Command:
    """`bench VERB NAME …` calls `entry` ("package.module:function") with the options by keyword.

    The verb "doctor" is called by `bench doctor`, without options, and returns `Diagnosis` entries.
    "import" returns `PublishedValue` entries, which become a run. "export" receives `run`, an
    `api.RunView`, and `out`, a folder, and returns the paths it wrote.

    Attributes:
        dataset: the command works on a dataset: `--dataset NAME` and `--dataset-option KEY=VALUE`
            choose it, and the entry receives it as `dataset`, an `api.Source`; None where it is
            "optional" and not given.
    """

    verb: str
    entry: str
    options: tuple[Option, ...] = ()
    help: str = ""
    dataset: bool | Literal["optional"] = False


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
class PublishedValue:
    """One number that somebody else measured; it stands beside measured rows, never among them.

    Attributes:
        method: as its publication calls it.
        metric: id of the score that it is, in that score's unit; `column` its second column.
        scene: the scene (capture) that it is of; "" for the mean over the dataset.
        std: standard deviation over `n` scenes or images, population (ddof 0), in the same unit.
        source: publication and table, or repository and path.
        retrieved: date, year-month-day.
        verified: read in a primary source, or agreed by two.
    """

    method: str
    metric: str
    value: float
    dataset: str
    split: str
    protocol: str
    column: str = ""
    scene: str = ""
    std: float | None = None
    n: int | None = None
    source: str = ""
    retrieved: str = ""
    verified: bool = False
    note: str = ""


@dataclass(frozen=True)
class Weights:
    """Where a trained method's weights lie.

    A .safetensors file says what it has seen: its header's `__metadata__` holds `trained_on`, a
    JSON list of what `api.Source.seen` returns. No split that shares data with it is tested on.

    Attributes:
        option: name of the method's Path option that chooses another file.
        embedded: the file that serves where that option is not set.
    """

    option: str
    embedded: Path | None = None


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
        weights: where they lie; part of every prediction's key.
        claims: numbers of its paper, which a report holds against what was measured.
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
    weights: Weights | None = None
    claims: tuple[PublishedValue, ...] = ()
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
        published: a .csv of `PublishedValue` columns, shown beside measured rows.
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
    published: Path | None = None
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
        pools: of a metric over items: where a comparison's unit is larger, one call takes all of
            its items (each with its query, where queries are scored).
        reads: which fields of `Item` are filled.
        protocols: the only ones it is scored under; empty: every one that has a rule for it.
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
    pools: bool = False
    reads: tuple[Literal["prediction", "target", "inputs", "cost"], ...] = ("prediction", "target")
    protocols: tuple[str, ...] = ()
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

"""One row on one dataset split: what decides its predictions, and which metrics apply to it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from bench.api import DatasetCard, MethodCard, MetricCard, Option, Row
from bench.plugins import package_hash, source_hash

Kind = Literal["method", "floor", "oracle", "noise"]
_GEOMETRY = {"normal", "depth", "mesh", "framebuffer"}


@dataclass(frozen=True)
class Job:
    """One row on one dataset split.

    Attributes:
        kind: "oracle" and "noise" predictions come from the scorer, the others from a worker.
        granted: targets handed to the method (‡); their metrics are given, not scored.
        stated: an input class that only its author knows, where it does not follow from a card.
    """

    label: str
    kind: Kind
    method: MethodCard
    dataset: DatasetCard
    split: str
    options: Mapping[str, Any]
    dataset_options: Mapping[str, Any]
    granted: tuple[str, ...]
    seed: int
    device: str
    threads: int
    timeout: float
    fit_timeout: float
    memory: int
    python: str
    stated: Mapping[str, str] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """Unique within a run; see `job_name`."""
        return job_name(self.label, self.dataset.name, self.split)

    @property
    def answers(self) -> Mapping[str, tuple[str, ...]]:
        """Those answers of the method that this dataset can ask for, and may."""
        possible = {
            quantity: tuple(a for a in alternatives if self._admits(quantity, a.split("+")))
            for quantity, alternatives in self.method.answers.items()
            if quantity in self.dataset.queries
        }
        return {quantity: fitting for quantity, fitting in possible.items() if fitting}

    def _admits(self, query: str, condition: Sequence[str]) -> bool:
        # Truth about the reference photo, reference_normal say, comes only with the same grant.
        truths = {f"reference_{name}": name for name in self.dataset.targets}
        granted = all(truths[name] in self.granted for name in condition if name in truths)
        return granted and set(condition) <= set(self.dataset.queries[query])

    @property
    def row(self) -> Row:
        """How reports see this job."""
        return Row(
            label=self.label,
            method=self.method.name,
            dataset=self.dataset.name,
            split=self.split,
            kind=self.kind,
            input_class=self.stated or input_class(self),
            privileged=self.granted,
        )

    @property
    def weights(self) -> Path | None:
        """The file of a trained method's weights: the one chosen, or else the embedded one."""
        if self.method.weights is None:
            return None
        chosen = self.options.get(self.method.weights.option)
        return Path(chosen) if chosen else self.method.weights.embedded

    def key(self, fingerprint: str) -> str:
        """Digest of all that decides a prediction; `fingerprint` is the dataset's."""
        body = {
            "method": [
                self.method.name,
                self.method.version,
                source_hash(self.method.implementation),
            ],
            "options": dict(self.options),
            "files": _file_digests(self.method.options, self.options) | self._weights_digest(),
            "dataset": [
                self.dataset.name,
                self.dataset.version,
                source_hash(self.dataset.implementation),
                self.split,
                fingerprint,
            ],
            "graphics": package_hash("bench.graphics"),
            "dataset options": dict(self.dataset_options),
            "inputs": [self.method.needs, self.method.views, dict(self.answers), self.granted],
            "seed": self.seed,
        }
        return digest(body)

    def _weights_digest(self) -> dict[str, str]:
        file = self.weights
        return {"weights": content_digest(file)} if file is not None and file.exists() else {}


def job_name(label: str, dataset: str, split: str) -> str:
    """ "label/dataset/split", of exactly three parts whatever the three hold."""
    parts = (label, dataset, split)
    return "/".join(part.replace("/", "%2F") for part in parts)


def digest(body: object) -> str:
    """Sixteen hexadecimal digits of a JSON-like object."""
    text = json.dumps(body, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def input_class(job: Job) -> dict[str, str]:
    """What the method was allowed, in the words of docs/concepts.md."""
    card = job.method
    had = set(card.needs) | set(job.granted)
    return {
        "views": card.views,
        "mask": "given" if "mask" in had else "none",
        "camera": "given" if "camera" in had else "none",
        "geometry": "given" if (had | set(_conditions(job))) & _GEOMETRY else "none",
        "light": _light(job),
        "fit": card.fit,
        "training": card.training,
    }


def _light(job: Job) -> str:
    conditions = _conditions(job)
    if "environment" in conditions or "environment" in job.granted:
        return "environment"
    return "photo" if "reference" in conditions else "none"


def _conditions(job: Job) -> list[str]:
    """What the method is told with its queries, by the best alternative of each quantity."""
    return [name for alternatives in job.answers.values() for name in alternatives[0].split("+")]


def applicable(job: Job, metrics: Iterable[MetricCard]) -> list[MetricCard]:
    """The metrics for which the method predicts and the dataset knows."""
    return [metric for metric in metrics if _applies(job, metric)]


def _applies(job: Job, metric: MetricCard) -> bool:
    if job.kind in ("oracle", "noise") and not metric.quantity:
        return False
    predicted = set(job.method.predicts) | set(job.answers)
    wanted = {metric.quantity, *metric.also} - {""}
    known = set(job.dataset.targets) | set(job.dataset.inputs)
    offered = set(job.dataset.inputs)
    return (
        wanted <= predicted
        and set(metric.targets) - set(job.dataset.queries) <= known
        and set(metric.inputs) <= offered
    )


def _file_digests(options: Iterable[Option], chosen: Mapping[str, Any]) -> dict[str, str]:
    """Content digests of the files that options name: weights, priors, models."""
    paths = {option.name: chosen.get(option.name) for option in options if option.type is Path}
    files = {name: Path(value) for name, value in paths.items() if value}
    return {name: content_digest(file) for name, file in files.items() if file.exists()}


def content_digest(path: Path) -> str:
    """Sixteen digits over the name and the bytes of a file, or of each file of a folder."""
    files = sorted(p for p in path.rglob("*") if p.is_file()) if path.is_dir() else [path]
    total = hashlib.sha256()
    for file in files:
        total.update(file.relative_to(path.parent).as_posix().encode() + b"\0")
        with file.open("rb") as data:
            total.update(hashlib.file_digest(data, "sha256").digest())
    return total.hexdigest()[:16]

"""Configuration + registry → jobs: what meets what, and why the rest does not. Pure."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from bench.api import DatasetCard, MethodCard, MetricCard, Row
from bench.config import Benchmark, DatasetConfig, MethodConfig, parse_bytes, resolve_options
from bench.errors import BenchError, ConfigError
from bench.plugins import Registry, nearest, source_hash
from bench.protocol import Protocol
from bench.protocol.named import PROTOCOLS

Kind = Literal["method", "floor", "oracle", "noise"]
_GEOMETRY = ("normal", "depth", "mesh")


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
        """ "label/dataset/split", unique within a run."""
        return f"{self.label}/{self.dataset.name}/{self.split}"

    @property
    def answers(self) -> Mapping[str, tuple[str, ...]]:
        """Those answers of the method that this dataset can ask for."""
        return {
            quantity: fitting
            for quantity, alternatives in self.method.answers.items()
            if quantity in self.dataset.queries
            and (
                fitting := tuple(
                    alternative
                    for alternative in alternatives
                    if set(alternative.split("+")) <= set(self.dataset.queries[quantity])
                )
            )
        }

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

    def key(self, fingerprint: str) -> str:
        """Digest of all that decides a prediction; `fingerprint` is the dataset's."""
        body = {
            "method": [
                self.method.name,
                self.method.version,
                source_hash(self.method.implementation),
            ],
            "options": dict(self.options),
            "files": _file_digests(self.options),
            "dataset": [self.dataset.name, self.dataset.version, self.split, fingerprint],
            "dataset options": dict(self.dataset_options),
            "inputs": [self.method.needs, self.method.views, dict(self.answers), self.granted],
            "seed": self.seed,
        }
        return digest(body)


@dataclass(frozen=True)
class Impossible:
    """A method and a dataset that do not meet, and why."""

    label: str
    dataset: str
    reason: str


@dataclass(frozen=True)
class Plan:
    """All that a run will do, in order."""

    jobs: tuple[Job, ...]
    impossible: tuple[Impossible, ...]
    protocols: tuple[Protocol, ...]


def digest(body: object) -> str:
    """Sixteen hexadecimal digits of a JSON-like object."""
    text = json.dumps(body, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def make(benchmark: Benchmark, registry: Registry, device: str) -> Plan:
    """Resolve names and options, and pair methods with datasets.

    Raises:
        ConfigError: naming file, key and the nearest valid one.
        PluginError: where a name is claimed twice.
    """
    jobs: list[Job] = []
    impossible: list[Impossible] = []
    for index, dataset_config in enumerate(benchmark.datasets):
        where = f"{benchmark.file}: datasets[{index}]"
        dataset, dataset_options = _dataset(benchmark, registry, dataset_config, where)
        for number, method_config in enumerate(benchmark.methods):
            job = _job(
                benchmark,
                registry,
                method_config,
                f"{benchmark.file}: methods[{number}]",
                dataset,
                dataset_config.split,
                dataset_options,
                device,
            )
            reason = why_not(job)
            if reason:
                impossible.append(Impossible(job.label, dataset.name, reason))
            else:
                jobs.append(job)
        jobs += references(benchmark, dataset, dataset_config.split, dataset_options)
    names = [job.name for job in jobs]
    for name in names:
        if names.count(name) > 1:
            raise ConfigError(f"{benchmark.file}: {name!r} comes twice; give each its own label")
    return Plan(tuple(jobs), tuple(impossible), resolve_protocols(benchmark))


def _dataset(
    benchmark: Benchmark, registry: Registry, config: DatasetConfig, where: str
) -> tuple[DatasetCard, dict[str, Any]]:
    try:
        card: DatasetCard = registry.find("dataset", config.name)
    except BenchError as error:
        raise type(error)(f"{where}.name: {error}") from error
    options = resolve_options(card.options, config.options, f"{where}.options", benchmark.folder)
    return card, options


def _job(
    benchmark: Benchmark,
    registry: Registry,
    config: MethodConfig,
    where: str,
    dataset: DatasetCard,
    split: str,
    dataset_options: Mapping[str, Any],
    device: str,
) -> Job:
    try:
        card: MethodCard = registry.find("method", config.name)
    except BenchError as error:
        raise type(error)(f"{where}.name: {error}") from error
    for quantity in config.privileged:
        if quantity not in card.uses:
            raise ConfigError(
                f"{where}.privileged: {card.name} does not use {quantity!r}; its card says "
                f"uses = {list(card.uses)}"
            )
    python = str((benchmark.folder / config.python).absolute()) if config.python else ""
    return Job(
        label=config.label or config.name,
        kind="floor" if card.floor else "method",
        method=card,
        dataset=dataset,
        split=split,
        options=resolve_options(card.options, config.options, f"{where}.options", benchmark.folder),
        dataset_options=dataset_options,
        granted=tuple(sorted(config.privileged)),
        seed=benchmark.run.seed,
        device=device,
        threads=benchmark.run.threads,
        timeout=config.timeout,
        fit_timeout=config.fit_timeout,
        memory=parse_bytes(config.memory, f"{where}.memory"),
        python=python,
    )


def why_not(job: Job) -> str:
    """Why a method cannot meet a dataset; empty where it can."""
    lacking = sorted(set(job.method.needs) - set(job.dataset.inputs))
    if lacking:
        return f"needs {', '.join(lacking)}, which {job.dataset.name} does not offer"
    unknown = sorted(set(job.granted) - set(job.dataset.targets) - set(job.dataset.inputs))
    if unknown:
        return f"is granted {', '.join(unknown)}, which {job.dataset.name} does not know"
    known = set(job.dataset.targets) | set(job.dataset.inputs)
    if not job.answers and not set(job.method.predicts) & known:
        return f"predicts nothing that {job.dataset.name} knows and answers none of its queries"
    return ""


_ORACLE = MethodCard(
    name="oracle",
    title="True normals, albedo and light, Lambertian",
    implementation="bench.references:Oracle",
    predicts=("normal", "albedo", "shading", "depth", "environment", "roughness", "specular"),
    answers={"relit": ("environment",)},
)
_NOISE = MethodCard(
    name="render-noise",
    title="The truth rendered again with other random numbers",
    implementation="bench.references:RenderNoise",
    answers={"relit": ("environment",), "view": ("camera",)},
)


def references(
    benchmark: Benchmark, dataset: DatasetCard, split: str, options: Mapping[str, Any]
) -> list[Job]:
    """The rows the scorer adds: an oracle where truth is known, render noise where it is kept."""

    def job(card: MethodCard, kind: Kind) -> Job:
        # What needs no worker is bounded as a method would be by default.
        return Job(
            label=card.name,
            kind=kind,
            method=card,
            dataset=dataset,
            split=split,
            options={},
            dataset_options=options,
            granted=(),
            seed=benchmark.run.seed,
            device="cpu",
            threads=benchmark.run.threads,
            timeout=60.0,
            fit_timeout=60.0,
            memory=8 * 10**9,
            python="",
        )

    jobs = []
    if {"normal", "albedo", "environment"} <= set(dataset.targets):
        jobs.append(job(_ORACLE, "oracle"))
    if dataset.rerenders:
        jobs.append(job(_NOISE, "noise"))
    return jobs


def resolve_protocols(benchmark: Benchmark) -> tuple[Protocol, ...]:
    """The protocols that the file names. Raises `ConfigError`."""
    for name in benchmark.run.protocols:
        if name not in PROTOCOLS:
            raise ConfigError(
                f"{benchmark.file}: run.protocols: unknown protocol {name!r}"
                f"{nearest(name, PROTOCOLS)}"
            )
    return tuple(PROTOCOLS[name] for name in benchmark.run.protocols)


def input_class(job: Job) -> dict[str, str]:
    """What the method was allowed, in the words of docs/concepts.md."""
    card = job.method
    had = set(card.needs) | set(job.granted)
    return {
        "views": card.views,
        "mask": "given" if "mask" in had else "none",
        "camera": "given" if "camera" in had else "none",
        "geometry": "given" if had & set(_GEOMETRY) else "none",
        "light": _light(job),
        "fit": card.fit,
        "training": card.training,
    }


def _light(job: Job) -> str:
    conditions = "+".join(c for alternatives in job.answers.values() for c in alternatives[:1])
    if "environment" in conditions or "environment" in job.granted:
        return "environment"
    return "photo" if "reference" in conditions else "none"


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


def _file_digests(options: Mapping[str, Any]) -> dict[str, str]:
    """Content digests of the files that options name: weights, priors, models."""
    return {
        name: _content(Path(value))
        for name, value in options.items()
        if isinstance(value, str) and value.startswith("/") and Path(value).exists()
    }


def _content(path: Path) -> str:
    files = sorted(p for p in path.rglob("*") if p.is_file()) if path.is_dir() else [path]
    total = hashlib.sha256()
    for file in files:
        total.update(file.name.encode())
        with file.open("rb") as data:
            total.update(hashlib.file_digest(data, "sha256").digest())
    return total.hexdigest()[:16]

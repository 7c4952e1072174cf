"""Configuration + registry → jobs: what meets what, and why the rest does not. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from bench.api import DatasetCard, MethodCard, MetricCard
from bench.config import Benchmark, DatasetConfig, MethodConfig, parse_bytes, resolve_options
from bench.errors import BenchError, ConfigError
from bench.jobs import Job, Kind
from bench.own_protocols import build
from bench.plugins import Registry, nearest
from bench.protocol import Protocol
from bench.protocol.named import PROTOCOLS


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
    skip: tuple[str, ...] = ()

    def scored(self, metrics: Iterable[MetricCard]) -> list[MetricCard]:
        """The metrics whose names no pattern of `run.skip` matches."""
        return [m for m in metrics if not any(fnmatchcase(m.name, p) for p in self.skip)]


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
            reason = why_not(job, registry.metrics.values())
            if reason:
                impossible.append(Impossible(job.label, dataset.name, reason))
            else:
                jobs.append(job)
        jobs += references(benchmark, dataset, dataset_config.split, dataset_options)
    for name, times in Counter(job.name for job in jobs).items():
        if times > 1:
            raise ConfigError(f"{benchmark.file}: {name!r} comes twice; give each its own label")
    _check_skip(benchmark, registry)
    protocols = resolve_protocols(benchmark, registry)
    return Plan(tuple(jobs), tuple(impossible), protocols, benchmark.run.skip)


def _check_skip(benchmark: Benchmark, registry: Registry) -> None:
    for pattern in benchmark.run.skip:
        if not any(fnmatchcase(name, pattern) for name in registry.metrics):
            raise ConfigError(
                f"{benchmark.file}: run.skip: no metric is called {pattern!r}"
                f"{nearest(pattern, registry.metrics)}"
            )


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
                f"{where}.privileged: {card.name} does not use {quantity!r}"
                f"{nearest(quantity, card.uses)}"
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


def why_not(job: Job, metrics: Iterable[MetricCard] = ()) -> str:
    """Why a method cannot meet a dataset; empty where it can.

    `metrics` may score what a method predicts against a truth of another kind, as judgements are.
    """
    if job.method.scope not in job.dataset.scopes:
        return f"sees whole scenes, parts of which {job.dataset.name} keeps back for its queries"
    lacking = sorted(set(job.method.needs) - set(job.dataset.inputs))
    if lacking:
        return f"needs {', '.join(lacking)}, which {job.dataset.name} does not offer"
    unknown = sorted(set(job.granted) - set(job.dataset.targets) - set(job.dataset.inputs))
    if unknown:
        return f"is granted {', '.join(unknown)}, which {job.dataset.name} does not know"
    known = set(job.dataset.targets) | set(job.dataset.inputs)
    scored = {
        metric.quantity for metric in metrics if set(metric.targets) & set(job.dataset.targets)
    }
    if not job.answers and not set(job.method.predicts) & (known | scored):
        return f"predicts nothing that {job.dataset.name} knows and answers none of its queries"
    return ""


_ORACLE = MethodCard(
    name="oracle",
    title="True normals, albedo and light, Lambertian",
    implementation="bench.references:Oracle",
    predicts=(
        "normal",
        "albedo",
        "shading",
        "depth",
        "environment",
        "roughness",
        "specular",
        "front",
        "pitch",
    ),
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


def resolve_protocols(benchmark: Benchmark, registry: Registry) -> tuple[Protocol, ...]:
    """The protocols that `run.protocols` names. Raises `ConfigError`."""
    known = known_protocols(benchmark, registry)
    for name in benchmark.run.protocols:
        if name not in known:
            raise ConfigError(
                f"{benchmark.file}: run.protocols: unknown protocol {name!r}{nearest(name, known)}"
            )
    return tuple(known[name] for name in benchmark.run.protocols)


def known_protocols(benchmark: Benchmark, registry: Registry) -> dict[str, Protocol]:
    """Name → protocol: the named ones, then the file's own. Raises `ConfigError`."""
    scores = [score.id for card in registry.metrics.values() for score in card.scores]
    own = {
        name: build(name, config, f"{benchmark.file}: protocols.{name}", scores)
        for name, config in benchmark.protocols.items()
    }
    return {**PROTOCOLS, **own}

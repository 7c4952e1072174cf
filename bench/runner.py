"""Jobs → worker processes → predictions → the scorer → records. All writing happens here."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from itertools import groupby
from typing import Any

from bench.api import Dataset, Key, MetricCard
from bench.child import Child, ChildError
from bench.errors import BenchError, DataError
from bench.executors import local
from bench.plan import Job, Plan, applicable, digest
from bench.plugins import Registry, load, source_hash
from bench.predicting import Predictor, stale
from bench.protocol import Protocol
from bench.scoring import Spec
from bench.store import ItemStatus, Store

_SCORE_TIMEOUT = 600.0


@dataclass(frozen=True)
class Settings:
    """How a plan is carried out; none of it changes a value.

    Attributes:
        jobs: jobs at a time.
        limit: samples per dataset, None for all.
        retry_failed: items that crashed, timed out or ran out of memory are tried again.
    """

    jobs: int = 1
    limit: int | None = None
    retry_failed: bool = False


@dataclass(frozen=True)
class Opened:
    """A dataset split ready to be read."""

    dataset: Dataset
    keys: tuple[Key, ...]
    fingerprint: str


@dataclass
class Progress:
    """Told of work as it is found and done; the command line draws a bar from it."""

    total: Callable[[int], None] = lambda _: None
    advance: Callable[[int], None] = lambda _: None
    describe: Callable[[str], None] = lambda _: None
    warn: Callable[[str], None] = lambda _: None


@dataclass
class Work:
    """What one job lacks."""

    job: Job
    opened: Opened
    key: str
    predict: list[Key] = field(default_factory=list)
    attempts: dict[Key, int] = field(default_factory=dict)


def open_split(job: Job, limit: int | None = None) -> Opened:
    """Construct the dataset and list its samples.

    Raises:
        DataError: where the dataset cannot be opened, the split is unknown or empty.
    """
    made: Any = load(job.dataset.implementation)(dict(job.dataset_options))
    dataset: Dataset = made
    keys = tuple(dataset.samples(job.split))
    if not keys:
        raise DataError(f"{job.dataset.name}/{job.split}: the split holds no samples")
    if len(set(keys)) != len(keys):
        raise DataError(f"{job.dataset.name}/{job.split}: two samples share one scene and id")
    return Opened(dataset, keys[:limit], dataset.fingerprint(job.split))


class Runner:
    """Carries out a plan in one run's folder, which its caller has locked."""

    def __init__(
        self, plan: Plan, registry: Registry, store: Store, settings: Settings, progress: Progress
    ) -> None:
        self._plan, self._registry, self._store = plan, registry, store
        self._settings, self._progress = settings, progress
        self._stop = threading.Event()
        self._scorers = threading.local()
        self._children: list[Child] = []
        self._appending = threading.Lock()
        self._splits: dict[tuple[str, str, str], Opened] = {}
        self.unstored: list[str] = []

    def work(self) -> list[Work]:
        """What every job lacks. Raises `DataError` where a dataset cannot be opened."""
        return [self._work(job) for job in self._plan.jobs]

    def _work(self, job: Job) -> Work:
        where = (job.dataset.name, job.split, digest(dict(job.dataset_options)))
        if where not in self._splits:
            self._splits[where] = open_split(job, self._settings.limit)
        opened = self._splits[where]
        work = Work(job, opened, job.key(opened.fingerprint))
        if job.kind in ("oracle", "noise"):
            return work
        for key in opened.keys:
            status = self._store.status(job.name, key)
            if stale(status, work.key, self._settings.retry_failed):
                work.predict.append(key)
                if status is not None and status.key == work.key:
                    work.attempts[key] = status.attempt
        return work

    def run(self, work: Sequence[Work]) -> None:
        """Predict and score. Raises what ends a run; everything finished is kept.

        Raises:
            KeyboardInterrupt: after the workers have been killed.
            StoreError: where records cannot be appended.
        """
        self._progress.total(sum(len(w.predict) + len(w.opened.keys) for w in work))
        try:
            tasks = [partial(self._job, each) for each in work]
            local.run(tasks, self._settings.jobs, self._stop)
        finally:
            for child in self._children:
                child.close()

    def _job(self, work: Work) -> None:
        self._progress.describe(work.job.name)
        if work.predict:
            predictor = Predictor(
                work.job,
                work.opened.dataset,
                work.key,
                self._store,
                self._stop,
                self._progress.advance,
            )
            predicted = predictor.run(work.predict, work.attempts)
            for text in predicted.unstored:
                self._progress.warn(text)
            self.unstored += predicted.unstored
        self._score(work)

    def _score(self, work: Work) -> None:
        metrics = applicable(work.job, self._registry.metrics.values())
        done = self._recorded(work)
        whole = []
        for scene, members in groupby(work.opened.keys, key=lambda key: key.scene):
            keys = list(members)
            attempts = [self._attempt(work, key) for key in keys]
            missing = _missing(work, scene, keys, attempts, metrics, self._plan.protocols, done)
            whole += attempts
            self._scored(work, scene, missing, keys)
            self._progress.advance(len(keys))
        over_dataset = [metric for metric in metrics if metric.over == "dataset"]
        missing = [
            entry
            for entry in _whole_units(work, "", whole, over_dataset, self._plan.protocols)
            if entry["key"] not in done
        ]
        self._scored(work, "", missing, work.opened.keys)

    def _attempt(self, work: Work, key: Key) -> int:
        if work.job.kind in ("oracle", "noise"):
            return 1
        status = self._store.status(work.job.name, key)
        return status.attempt if status is not None else 0

    def _recorded(self, work: Work) -> set[str]:
        """Keys of records that stand; not unavailable ones, for their weights may have come."""
        return {
            record["key"]
            for record in self._store.records(work.job.name)
            if not any(outcome[3] == "unavailable" for outcome in record["outcomes"])
        }

    def _scored(
        self, work: Work, scene: str, missing: Sequence[dict[str, Any]], keys: Sequence[Key]
    ) -> None:
        if not missing:
            return
        spec = vars(_spec(work.job, self._store))
        entries = [[entry["item"], entry["metric"], entry["protocol"]] for entry in missing]
        outcomes = self._ask_scorer(spec, scene, entries, keys)
        records = [entry | {"outcomes": o} for entry, o in zip(missing, outcomes, strict=True)]
        with self._appending:
            self._store.append(work.job.name, records)

    def _ask_scorer(
        self, spec: Mapping[str, Any], scene: str, entries: list[Any], keys: Sequence[Key]
    ) -> list[Any]:
        """Outcomes of each entry; one that kills the scorer fails by itself."""
        try:
            return self._call_scorer(spec, scene, entries, keys)
        except ChildError as error:
            if len(entries) > 1:
                alone = [self._ask_scorer(spec, scene, [entry], keys) for entry in entries]
                return [outcomes for each in alone for outcomes in each]
            card: MetricCard = self._registry.find("metric", entries[0][1])
            unit = f"{scene}/{entries[0][0]}" if entries[0][0] is not None else scene
            reason = error.kind
            return [[[unit, s.id, "", "failed", None, reason, str(error)] for s in card.scores]]

    def _call_scorer(
        self, spec: Mapping[str, Any], scene: str, entries: list[Any], keys: Sequence[Key]
    ) -> list[Any]:
        child = getattr(self._scorers, "child", None)
        if child is None:
            child = self._start_scorer()
        try:
            answer = child.call("score", [spec, scene, entries, keys], 0, _SCORE_TIMEOUT, None)
        except ChildError as error:
            if not error.alive:
                child.close()
                self._scorers.child = None
            raise
        result: list[Any] = answer["result"]
        return result

    def _start_scorer(self) -> Child:
        log = self._store.path / "logs" / "scorer.log"
        log.parent.mkdir(parents=True, exist_ok=True)
        child = Child(sys.executable, self._plan.jobs[0].threads, log, self._stop)
        self._children.append(child)
        try:
            child.start("bench.scoring:Scorer", [], _SCORE_TIMEOUT)
        except ChildError as error:
            raise BenchError(f"the scorer cannot start: {error}") from error
        self._scorers.child = child
        return child


def _spec(job: Job, store: Store) -> Spec:
    return Spec(
        store=str(store.path.resolve()),
        job=job.name,
        kind=job.kind,
        dataset=job.dataset.name,
        dataset_options=job.dataset_options,
        split=job.split,
        granted=job.granted,
        answers=list(job.answers),
    )


def _missing(
    work: Work,
    scene: str,
    keys: Sequence[Key],
    attempts: Sequence[int],
    metrics: Sequence[MetricCard],
    protocols: Sequence[Protocol],
    done: set[str],
) -> list[dict[str, Any]]:
    """The records of one scene that do not stand yet, without their outcomes."""
    per_item = [metric for metric in metrics if metric.over == "item"]
    over_scene = [metric for metric in metrics if metric.over in ("pair", "scene")]
    entries = [
        _entry(work, scene, key.id, [attempt], metric, protocol)
        for key, attempt in zip(keys, attempts, strict=True)
        if attempt
        for metric in per_item
        for protocol in protocols
    ]
    entries += _whole_units(work, scene, attempts, over_scene, protocols)
    return [entry for entry in entries if entry["key"] not in done]


def _whole_units(
    work: Work,
    scene: str,
    attempts: Sequence[int],
    metrics: Sequence[MetricCard],
    protocols: Sequence[Protocol],
) -> list[dict[str, Any]]:
    # A metric over several items waits until each of them has been tried.
    if not all(attempts):
        return []
    return [
        _entry(work, scene, None, attempts, metric, protocol)
        for metric in metrics
        for protocol in protocols
    ]


def _entry(
    work: Work,
    scene: str,
    item: str | None,
    attempts: Sequence[int],
    metric: MetricCard,
    protocol: Protocol,
) -> dict[str, Any]:
    body = [
        work.key,
        scene,
        item,
        list(attempts),
        [metric.name, metric.version, source_hash(metric.implementation)],
        [protocol.name, protocol.digest],
    ]
    return {
        "key": digest(body),
        "job": work.key,
        "scene": scene,
        "item": item,
        "metric": metric.name,
        "version": metric.version,
        "protocol": protocol.name,
        "comparison": protocol.digest,
    }


def current_records(store: Store, job_name: str, job_key: str) -> Iterator[dict[str, Any]]:
    """The standing records of one row: of its current key, the last of each unit."""
    latest: dict[tuple[Any, ...], dict[str, Any]] = {}
    for record in store.records(job_name):
        if record["job"] == job_key:
            unit = (record["scene"], record["item"], record["metric"], record["protocol"])
            latest[unit] = record
    yield from latest.values()


def describe_run(
    plan: Plan,
    work: Sequence[Work],
    registry: Registry,
    settings: Settings,
    earlier: Mapping[str, Any],
    keep: Sequence[str],
) -> dict[str, Any]:
    """The manifest: who, on what, how, with which versions; rows of `keep` stay as they were."""
    from bench.environment import describe_machine

    rows = {row["job"]: row for row in earlier.get("rows", ()) if row["job"] in keep}
    rows |= {each.job.name: _row(each) for each in work}
    metrics = registry.metrics.values()
    return {
        "format": 1,
        "written": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "machine": describe_machine(),
        "concurrent": settings.jobs > 1,
        "protocols": {
            protocol.name: {"digest": protocol.digest, **asdict(protocol)}
            for protocol in plan.protocols
        },
        "scores": {s.id: asdict(s) | {"metric": m.name} for m in metrics for s in m.scores},
        "metrics": {m.name: {"version": m.version, "source": m.implementation} for m in metrics},
        "impossible": [vars(entry) for entry in plan.impossible],
        "rows": list(rows.values()),
    }


def _row(work: Work) -> dict[str, Any]:
    job = work.job
    row = asdict(job.row) | {"items": len(work.opened.keys)}
    return {
        "job": job.name,
        "key": work.key,
        **row,
        "title": job.method.title,
        "paper": job.method.paper,
        "licence": job.method.licence,
        "version": job.method.version,
        "source": source_hash(job.method.implementation),
        "options": dict(job.options),
        "device": job.device,
        "threads": job.threads,
        "seed": job.seed,
        "dataset_options": dict(job.dataset_options),
        "dataset_version": job.dataset.version,
        "dataset_licence": job.dataset.licence,
        "fingerprint": work.opened.fingerprint,
        "samples": [list(key) for key in work.opened.keys],
    }


def item_statuses(store: Store, work: Work) -> Iterator[ItemStatus]:
    """The stored status of each item under the job's current key."""
    for key in work.opened.keys:
        status = store.status(work.job.name, key)
        if status is not None and status.key == work.key:
            yield status

"""One job's scoring: what is missing, asked of a scorer process, appended as it comes."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby, islice
from typing import Any

from bench import records
from bench.api import Key, MetricCard
from bench.child import Child, ChildError
from bench.errors import BenchError, StoreError
from bench.jobs import applicable
from bench.plan import Plan
from bench.plugins import Registry
from bench.predicting import TRIED_AGAIN
from bench.records import Record
from bench.scoring import Outcomes, cells
from bench.store import Store
from bench.units import Spec
from bench.work import Progress, Work

_TIMEOUT = 600.0
_MEMORY = 8 * 10**9
# What is asked of the scorer at once, held in its memory, and lost where the run is killed.
_ITEMS = 8


class Recorder:
    """Scores jobs one after the other in one scorer process; `close` ends it."""

    def __init__(
        self,
        plan: Plan,
        registry: Registry,
        store: Store,
        stop: threading.Event,
        progress: Progress,
        retry_failed: bool,
    ) -> None:
        self._plan, self._registry, self._store = plan, registry, store
        self._stop, self._progress, self._retry = stop, progress, retry_failed
        self._protocols = {protocol.name: protocol for protocol in plan.protocols}
        self._digests = {protocol.name: protocol.digest for protocol in plan.protocols}
        self._child: Child | None = None
        self.unstored: list[str] = []

    def score(self, work: Work) -> None:
        """Append every record that is missing. Raises `Stopped`, and `BenchError` without scorer.

        What cannot be appended is listed in `unstored` and stays missing.
        """
        metrics = applicable(work.job, self._registry.metrics.values())
        over = {
            unit: [metric for metric in metrics if metric.over in units]
            for unit, units in _UNITS.items()
        }
        standing = self._standing(work)
        attempts = {key: self._attempt(work, key) for key in work.opened.keys}
        for scene, members in groupby(work.opened.keys, key=lambda key: key.scene):
            keys = list(members)
            for chunk in _chunks(keys):
                tried = {key: attempts[key] for key in chunk}
                per_item = records.of_items(work, tried, over["item"], self._digests)
                self._append(work, scene, per_item, chunk, standing)
                self._progress.advance(len(chunk))
            whole = records.of_whole(
                work, scene, [attempts[key] for key in keys], over["scene"], self._digests
            )
            self._append(work, scene, whole, keys, standing)
        everything = records.of_whole(
            work, "", list(attempts.values()), over["dataset"], self._digests
        )
        self._append(work, "", everything, work.opened.keys, standing)

    def close(self) -> None:
        """End the scorer process."""
        if self._child is not None:
            self._child.close()
            self._child = None

    def _attempt(self, work: Work, key: Key) -> int:
        if work.job.kind in ("oracle", "noise"):
            return 1
        status = self._store.status(work.job.name, key)
        return status.attempt if status is not None and status.key == work.key else 0

    def _standing(self, work: Work) -> dict[str, Outcomes | None]:
        """Record key → None where it need not be scored again, else what it came to last."""
        return {
            record["key"]: record["outcomes"] if self._again(record) else None
            for record in self._store.records(work.job.name)
        }

    def _again(self, record: Record) -> bool:
        # What was unavailable may have come meanwhile.
        return any(
            kind == "unavailable" or (self._retry and kind == "failed" and reason in TRIED_AGAIN)
            for _, _, _, kind, _, reason, _ in record["outcomes"]
        )

    def _append(
        self,
        work: Work,
        scene: str,
        wanted: Iterable[Record],
        keys: Sequence[Key],
        standing: Mapping[str, Outcomes | None],
    ) -> None:
        missing = [each for each in wanted if standing.get(each["key"], ()) is not None]
        if not missing:
            return
        outcomes = self._ask(work, scene, missing, keys)
        made = [
            record | {"outcomes": found}
            for record, found in zip(missing, outcomes, strict=True)
            if standing.get(record["key"]) != found
        ]
        try:
            self._store.append(work.job.name, made)
        except StoreError as error:
            self.unstored.append(str(error))
            self._progress.warn(str(error))

    def _ask(
        self, work: Work, scene: str, missing: Sequence[Record], keys: Sequence[Key]
    ) -> list[Outcomes]:
        """Outcomes of each record; one that kills the scorer fails by itself."""
        entries = [[each["item"], each["metric"], each["protocol"]] for each in missing]
        try:
            return self._call(work, scene, entries, keys)
        except ChildError as error:
            if len(missing) == 1:
                return [self._killed(work, missing[0], error)]
            alone = [self._ask(work, scene, [each], keys) for each in missing]
            return [outcomes for each in alone for outcomes in each]

    def _killed(self, work: Work, record: Record, error: ChildError) -> Outcomes:
        card: MetricCard = self._registry.find("metric", record["metric"])
        units = [record["scene"]]
        if record["item"] is not None:
            key = Key(record["scene"], record["item"])
            status = self._store.status(work.job.name, key)
            answers = status.answers if status is not None else {}
            queries = [name for name, quantity in answers.items() if quantity == card.quantity]
            units = ["/".join((*key, query)) for query in queries] or ["/".join(key)]
        return [
            [unit, *cell, "failed", None, error.kind, str(error)]
            for unit in units
            for cell in cells(card, self._protocols[record["protocol"]])
        ]

    def _call(
        self, work: Work, scene: str, entries: list[Any], keys: Sequence[Key]
    ) -> list[Outcomes]:
        child = self._scorer()
        spec = vars(_spec(work, self._store))
        try:
            answer = child.call("score", [spec, scene, entries, keys], 0, _TIMEOUT, _MEMORY)
        except ChildError as error:
            if not error.alive:
                self.close()
            raise
        result: list[Outcomes] = answer["result"]
        return result

    def _scorer(self) -> Child:
        if self._child is None:
            log = self._store.log_file("scorer")
            child = Child(sys.executable, self._plan.jobs[0].threads, log, self._stop)
            try:
                child.start("bench.scoring:Scorer", [], _TIMEOUT)
            except ChildError as error:
                child.close()
                raise BenchError(f"the scorer cannot start: {error}") from error
            self._child = child
        return self._child


_UNITS: Mapping[str, tuple[str, ...]] = {
    "item": ("item",),
    "scene": ("pair", "scene"),
    "dataset": ("dataset",),
}


def _chunks(keys: Iterable[Key]) -> Iterator[list[Key]]:
    remaining = iter(keys)
    while chunk := list(islice(remaining, _ITEMS)):
        yield chunk


def _spec(work: Work, store: Store) -> Spec:
    job = work.job
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

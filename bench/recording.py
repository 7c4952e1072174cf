"""One job's scoring: what is missing, asked of a scorer process, appended as it comes."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from itertools import groupby, islice
from pathlib import Path
from typing import Any, TypeVar

from bench import records
from bench.api import Key, MetricCard
from bench.child import Child, ChildError
from bench.errors import BenchError, StoreError
from bench.jobs import applicable
from bench.plan import Plan
from bench.plugins import Registry
from bench.predicting import TRIED_AGAIN
from bench.records import Asked, Record
from bench.scoring import LEVELS, Level, Outcomes, cells, level_of
from bench.store import Store
from bench.units import Spec
from bench.work import Progress, Work

T = TypeVar("T")

_START_TIMEOUT = 300.0
_TIMEOUT = 300.0
_MEMORY = 8 * 10**9
# What is asked of the scorer at once, held in its memory, and lost where the run is killed.
_ITEMS = 8


@dataclass(frozen=True)
class Ask:
    """Records of one scene that are missing, scored in one call; `advance` items are then done."""

    scene: str
    missing: Sequence[Record]
    keys: Sequence[Key]
    advance: int


class Recorder:
    """Scores jobs one after the other, each on as many scorer processes as a worker has threads.

    `log` takes what the scorers print; by default a file of the store.
    """

    def __init__(
        self,
        plan: Plan,
        registry: Registry,
        store: Store,
        stop: threading.Event,
        progress: Progress,
        retry_failed: bool,
        log: Path | None = None,
    ) -> None:
        self._plan, self._registry, self._store = plan, registry, store
        self._stop, self._progress, self._retry = stop, progress, retry_failed
        self._scored = plan.scored(registry.metrics.values())
        self._protocols = {protocol.name: protocol for protocol in plan.protocols}
        self._log = log
        self._pool = ThreadPoolExecutor(plan.jobs[0].threads)
        self._mine = threading.local()
        self._children: list[Child] = []
        self._hung: dict[str, ChildError] = {}
        self.unstored: list[str] = []

    def score(self, work: Work) -> None:
        """Append every record that is missing. Raises `Stopped`, and `BenchError` without scorer.

        What cannot be appended is listed in `unstored` and stays missing.
        """
        standing = self._standing(work)
        asks = list(self._asks(work, standing))
        # In order, however the processes finish: two runs of one plan write the same file.
        for ask, outcomes in zip(asks, self.outcomes(work, asks), strict=True):
            self._append(work, ask.missing, outcomes, standing)
            self._progress.advance(ask.advance)

    def outcomes(self, work: Work, asks: Sequence[Ask]) -> Iterator[list[Outcomes]]:
        """What the records of each ask come to, in order; nothing is written. Raises as `score`."""
        return self._pool.map(lambda ask: self._ask(work, ask, ask.missing), asks)

    def _asks(self, work: Work, standing: Mapping[str, Outcomes | None]) -> Iterator[Ask]:
        metrics = applicable(work.job, self._scored)
        over: dict[Level, list[Asked]] = {
            level: [
                (metric, protocol)
                for metric in metrics
                for protocol in self._protocols.values()
                if cells(metric, protocol, level)
            ]
            for level in LEVELS
        }
        attempts = {key: self._attempt(work, key) for key in work.opened.keys}

        def ask(
            scene: str, wanted: Iterable[Record], keys: Sequence[Key], advance: int = 0
        ) -> Iterator[Ask]:
            missing = [each for each in wanted if standing.get(each["key"], ()) is not None]
            if missing or advance:
                yield Ask(scene, missing, keys, advance)

        for scene, members in groupby(work.opened.keys, key=lambda key: key.scene):
            keys = list(members)
            for chunk in chunks(keys):
                tried = {key: attempts[key] for key in chunk}
                wanted = records.of_items(work, tried, over["item"])
                yield from ask(scene, wanted, chunk, len(chunk))
            tries = [attempts[key] for key in keys]
            yield from ask(scene, records.of_whole(work, scene, tries, over["scene"]), keys)
        tries = list(attempts.values())
        everything = records.of_whole(work, "", tries, over["dataset"])
        yield from ask("", everything, work.opened.keys)

    def close(self) -> None:
        """End the scorer processes; calls under way end by the run's stop."""
        self._pool.shutdown(wait=True, cancel_futures=True)
        for child in self._children:
            child.close()

    def _attempt(self, work: Work, key: Key) -> int:
        if work.job.kind in ("oracle", "noise"):
            return 1
        status = self._store.status(work.job.name, key)
        return status.attempt if status is not None and status.key == work.key else 0

    def _standing(self, work: Work) -> dict[str, Outcomes | None]:
        """Record key → None where it need not be scored again, else what it came to last."""
        # Of each unit the last alone: what another call, of fewer samples say, has superseded
        # since does not stand.
        return {
            record["key"]: record["outcomes"] if self._again(record) else None
            for record in records.current(self._store, work.job.name, work.key)
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
        missing: Sequence[Record],
        outcomes: Sequence[Outcomes],
        standing: Mapping[str, Outcomes | None],
    ) -> None:
        made = [
            record | {"outcomes": found}
            for record, found in zip(missing, outcomes, strict=True)
            if standing.get(record["key"]) != found
        ]
        if not made:
            return
        try:
            self._store.append(work.job.name, made)
        except StoreError as error:
            self.unstored.append(str(error))
            self._progress.warn(str(error))

    def _ask(self, work: Work, ask: Ask, missing: Sequence[Record]) -> list[Outcomes]:
        """Outcomes of each record; one that kills the scorer fails by itself."""
        if any(each["metric"] in self._hung for each in missing):
            return self._without_hung(work, ask, missing)
        if not missing:
            return []
        entries = [[each["item"], each["metric"], each["protocol"]] for each in missing]
        try:
            return self._call(work, ask.scene, entries, ask.keys)
        except ChildError as error:
            if len(missing) > 1:
                alone = [self._ask(work, ask, [each]) for each in missing]
                return [outcomes for each in alone for outcomes in each]
            if error.kind == "timeout":
                where = f"{missing[0]['scene']}/{missing[0]['item'] or ''}".rstrip("/")
                text = f"{error} on {where or work.job.name}; not asked again in this run"
                self._hung[missing[0]["metric"]] = ChildError("timeout", text, alive=False)
            return [self._killed(work, missing[0], error)]

    def _without_hung(self, work: Work, ask: Ask, missing: Sequence[Record]) -> list[Outcomes]:
        # Thousands of units would each wait for the same metric to hang.
        others = [each for each in missing if each["metric"] not in self._hung]
        asked = {
            each["key"]: outcomes
            for each, outcomes in zip(others, self._ask(work, ask, others), strict=True)
        }
        return [
            asked[each["key"]]
            if each["key"] in asked
            else self._killed(work, each, self._hung[each["metric"]])
            for each in missing
        ]

    def _killed(self, work: Work, record: Record, error: ChildError) -> Outcomes:
        card: MetricCard = self._registry.find("metric", record["metric"])
        units = [record["scene"]]
        if record["item"] is not None:
            key = Key(record["scene"], record["item"])
            status = self._store.status(work.job.name, key)
            answers = status.answers if status is not None else {}
            queries = [name for name, quantity in answers.items() if quantity == card.quantity]
            units = ["/".join((*key, query)) for query in queries] or ["/".join(key)]
        level = level_of(record["scene"], record["item"])
        return [
            [unit, *cell, "failed", None, error.kind, str(error)]
            for unit in units
            for cell in cells(card, self._protocols[record["protocol"]], level)
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
                child.close()
                self._mine.child = None
            raise
        result: list[Outcomes] = answer["result"]
        return result

    def _scorer(self) -> Child:
        """The calling thread's own: a process serves one call at a time."""
        child: Child | None = getattr(self._mine, "child", None)
        if child is None:
            log = self._log or self._store.log_file("scorer")
            child = Child(sys.executable, 1, log, self._stop)
            try:
                bodies = [asdict(protocol) for protocol in self._protocols.values()]
                child.start("bench.scoring:Scorer", [bodies], _START_TIMEOUT)
            except ChildError as error:
                child.close()
                raise BenchError(f"the scorer cannot start: {error}") from error
            self._children.append(child)
            self._mine.child = child
        return child


def chunks(entries: Iterable[T]) -> Iterator[list[T]]:
    """What is asked of a scorer at once, in order."""
    remaining = iter(entries)
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
        answers=dict(job.answers),
    )

"""Every record of a run once more, from stored predictions: what differs, and what cannot be."""

from __future__ import annotations

import math
import tempfile
import threading
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby
from pathlib import Path
from typing import Any

from bench import records
from bench.api import DatasetCard, Key, MethodCard
from bench.errors import BenchError, DataError, StoreError
from bench.jobs import Job
from bench.plan import Plan
from bench.plugins import Registry
from bench.protocol import Protocol, written
from bench.protocol.bodies import read_protocol
from bench.recording import Ask, Recorder, chunks
from bench.records import Record
from bench.scoring import Outcomes
from bench.store import Store
from bench.work import Progress, Work, open_split

# What another machine's or library's order of summation may change, and what no table shows.
_RELATIVE, _ABSOLUTE = 1e-6, 1e-9


@dataclass(frozen=True)
class Difference:
    """One outcome that comes to something else now; outcomes are in words, numbers as stored."""

    job: str
    unit: str
    metric: str
    protocol: str
    stored: str
    recomputed: str


@dataclass
class Verdict:
    """What a run's records come to.

    Attributes:
        same: outcomes that came to the same.
        different: outcomes that did not.
        left_out: (row, reason) → outcomes that cannot be recomputed here.
        published: rows of published values, which nobody can recompute from predictions.
    """

    same: int = 0
    different: list[Difference] = field(default_factory=list)
    left_out: Counter[tuple[str, str]] = field(default_factory=Counter)
    published: list[str] = field(default_factory=list)

    @property
    def holds(self) -> bool:
        """Nothing differs, and what could have been recomputed was not all left out."""
        return not self.different and bool(self.same or not self.left_out)


def verify(path: Path, registry: Registry) -> Verdict:
    """Recompute the records of the run at `path`; nothing is written there.

    Numbers are the same within 1e-6 of their size, or 1e-9.

    Raises:
        StoreError: where `path` is no run's folder, or its records are damaged.
    """
    store = Store(path)
    manifest = store.read_manifest()
    if not manifest:
        raise StoreError(f"{path}: no manifest.json here; this is not a run's folder")
    verdict = Verdict()
    with tempfile.TemporaryDirectory() as folder:
        for row in manifest["rows"]:
            if row["kind"] == "published":
                verdict.published.append(row["job"])
            else:
                _Row(store, manifest, row, registry, verdict).verify(Path(folder) / "scorer.log")
    return verdict


class _Row:
    """One row's records against what they come to now."""

    def __init__(
        self,
        store: Store,
        manifest: Mapping[str, Any],
        row: Mapping[str, Any],
        registry: Registry,
        verdict: Verdict,
    ) -> None:
        self._store, self._row, self._registry, self._verdict = store, row, registry, verdict
        self._digests = {name: body["digest"] for name, body in manifest["protocols"].items()}
        self._protocols = tuple(map(_protocol, manifest["protocols"].values()))
        self._keys = [Key(*key) for key in row["samples"]]

    def verify(self, log: Path) -> None:
        standing = list(self._standing())
        try:
            work = self._work()
        except BenchError as error:
            for record in standing:
                self._leave_out(record["outcomes"], str(error))
            return
        wanted = [record for record in standing if self._can_be(record)]
        if not wanted:
            return
        plan = Plan((work.job,), (), self._protocols)
        stop = threading.Event()
        recorder = Recorder(plan, self._registry, self._store, stop, Progress(), False, log)
        try:
            asks = list(self._asks(wanted))
            for ask, found in zip(asks, recorder.outcomes(work, asks), strict=True):
                for record, outcomes in zip(ask.missing, found, strict=True):
                    self._compare(record, outcomes)
        finally:
            stop.set()
            recorder.close()

    def _standing(self) -> Iterator[Record]:
        """The records that reports read."""
        covered, scenes = set(self._keys), {key.scene for key in self._keys}
        for record in records.current(self._store, self._row["job"], self._row["key"]):
            scene, item = record["scene"], record["item"]
            within = Key(scene, item) in covered if item else not scene or scene in scenes
            if within and self._digests.get(record["protocol"]) == record["comparison"]:
                yield record

    def _work(self) -> Work:
        """The row's job over the data as it is here. Raises `BenchError` where it is another."""
        row = self._row
        job = _job(row, self._registry)
        opened = open_split(job)
        if opened.fingerprint != row["fingerprint"]:
            raise DataError(
                f"{row['dataset']}/{row['split']}: the data is not what was scored: its "
                f"fingerprint is {opened.fingerprint}, and was {row['fingerprint']}"
            )
        return Work(job, replace(opened, keys=tuple(self._keys)), row["key"])

    def _can_be(self, record: Record) -> bool:
        """Whether metric and predictions are those of the record; says so where not."""
        name, card = record["metric"], self._registry.metrics.get(record["metric"])
        if card is None:
            reason = f"metric {name!r} is not installed"
        elif card.version != record["version"]:
            reason = f"metric {name!r} is version {card.version} here, was {record['version']}"
        elif not self._predicted(record):
            reason = "its predictions are not here, or were replaced"
        else:
            return True
        self._leave_out(record["outcomes"], reason)
        return False

    def _predicted(self, record: Record) -> bool:
        if self._row["kind"] in ("oracle", "noise"):
            return True
        found = (self._store.status(self._row["job"], key) for key in self._of(record))
        return all(status is not None and status.key == self._row["key"] for status in found)

    def _of(self, record: Record) -> Sequence[Key]:
        if record["item"] is not None:
            return [Key(record["scene"], record["item"])]
        return [key for key in self._keys if record["scene"] in ("", key.scene)]

    def _asks(self, wanted: Sequence[Record]) -> Iterator[Ask]:
        whole = [record for record in wanted if record["item"] is None]
        single = [record for record in wanted if record["item"] is not None]
        for scene, of_scene in groupby(sorted(single, key=_place), key=lambda r: r["scene"]):
            items = [list(group) for _, group in groupby(of_scene, key=_place)]
            for chunk in chunks(items):
                keys = [Key(scene, group[0]["item"]) for group in chunk]
                yield Ask(scene, [record for group in chunk for record in group], keys, 0)
        for record in whole:
            yield Ask(record["scene"], [record], self._of(record), 0)

    def _compare(self, record: Record, outcomes: Outcomes) -> None:
        was, now = _cells(record["outcomes"]), _cells(outcomes)
        for cell in dict.fromkeys((*was, *now)):
            before, after = was.get(cell), now.get(cell)
            away = next((x for x in (before, after) if x and x[3] == "unavailable"), None)
            if away is not None:
                self._leave_out([away], f"unavailable: {away[6]}")
            elif _same(before, after):
                self._verdict.same += 1
            else:
                unit, score, column = cell
                self._verdict.different.append(
                    Difference(
                        self._row["job"],
                        unit,
                        written(score, column),
                        record["protocol"],
                        _in_words(before),
                        _in_words(after),
                    )
                )

    def _leave_out(self, outcomes: Outcomes, reason: str) -> None:
        self._verdict.left_out[self._row["job"], reason] += len(outcomes)


def _place(record: Record) -> tuple[str, str]:
    return record["scene"], record["item"]


def _cells(outcomes: Outcomes) -> dict[tuple[str, str, str], list[Any]]:
    return {(outcome[0], outcome[1], outcome[2]): outcome for outcome in outcomes}


def _same(before: list[Any] | None, after: list[Any] | None) -> bool:
    if before is None or after is None:
        return False
    first, second = before[4], after[4]
    if isinstance(first, float | int) and isinstance(second, float | int):
        return math.isclose(first, second, rel_tol=_RELATIVE, abs_tol=_ABSOLUTE)
    return (before[3], first, before[5]) == (after[3], second, after[5])


def _in_words(outcome: list[Any] | None) -> str:
    if outcome is None:
        return "nothing"
    _, _, _, kind, value, reason, _ = outcome
    return str(value) if kind == "value" else f"{kind} ({reason})" if reason else str(kind)


def _protocol(body: Mapping[str, Any]) -> Protocol:
    try:
        return read_protocol(body)
    except (KeyError, TypeError) as error:
        raise StoreError(f"the manifest's protocol {body.get('name')!r}: {error!r}") from error


def _job(row: Mapping[str, Any], registry: Registry) -> Job:
    """The job of a row. Raises `PluginError` where its dataset is not installed."""
    dataset: DatasetCard = registry.find("dataset", row["dataset"])
    # Predictions from a folder have no card: they may answer whatever the dataset asks.
    method = MethodCard(row["method"], row["title"], "", answers=dataset.queries)
    if row["method"] in registry.cards["method"]:
        method = registry.find("method", row["method"])
    return Job(
        label=row["label"],
        kind=row["kind"],
        method=method,
        dataset=dataset,
        split=row["split"],
        options=row["options"],
        dataset_options=row["dataset_options"],
        granted=tuple(row["privileged"]),
        seed=row["seed"],
        device=row["device"],
        threads=row["threads"],
        timeout=0.0,
        fit_timeout=0.0,
        memory=0,
        python="",
    )

"""Records: which a job should have, and which of those that were appended stand."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from bench.api import Key, MetricCard
from bench.jobs import digest
from bench.plugins import package_hash, source_hash
from bench.protocol import Protocol
from bench.store import Store
from bench.work import Work

Record = dict[str, Any]
Asked = tuple[MetricCard, Protocol]
"""A metric, and a protocol it is scored under."""


def of_items(
    work: Work,
    attempts: Mapping[Key, int],
    asked: Sequence[Asked],
) -> Iterator[Record]:
    """The records, without outcomes, of metrics over one item; for items that have been tried.

    Args:
        attempts: how often each item has been tried, 0 for never.
    """
    for key, attempt in attempts.items():
        if attempt:
            for metric, protocol in asked:
                yield _entry(work, key.scene, key.id, [attempt], metric, protocol)


def of_whole(
    work: Work,
    scene: str,
    attempts: Sequence[int],
    asked: Sequence[Asked],
) -> Iterator[Record]:
    """The records of metrics over a scene, its pairs, or (scene "") the dataset.

    They wait until each of their items has been tried.
    """
    if all(attempts):
        for metric, protocol in asked:
            yield _entry(work, scene, None, attempts, metric, protocol)


def _entry(
    work: Work,
    scene: str,
    item: str | None,
    attempts: Sequence[int],
    metric: MetricCard,
    protocol: Protocol,
) -> Record:
    body = [
        work.key,
        scene,
        item,
        list(attempts),
        [metric.name, metric.version, source_hash(metric.implementation)],
        package_hash("bench.protocol"),
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


def current(store: Store, job: str, job_key: str) -> Iterator[Record]:
    """The standing records of one row: of its current key, the last of each unit."""
    latest: dict[tuple[Any, ...], Record] = {}
    for record in store.records(job):
        if record["job"] == job_key:
            unit = (record["scene"], record["item"], record["metric"], record["protocol"])
            latest[unit] = record
    yield from latest.values()

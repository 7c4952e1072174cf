"""Published values → a run."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from bench import records
from bench.api import PublishedValue
from bench.errors import DataError, StoreError
from bench.jobs import digest, job_name
from bench.plugins import registry
from bench.protocol import Protocol, written
from bench.protocol.named import PROTOCOLS
from bench.published.files import check, place
from bench.store import Store
from bench.view import StoredRun

_UNSTATED = ("views", "mask", "camera", "geometry", "light", "fit", "training")
_SOURCE = ("source", "retrieved", "verified", "n")
_NOTE = ("protocol", "metric", "column", "note")


def store_values(values: Sequence[PublishedValue], store: Store, title: str) -> StoredRun:
    """Turn values into a run: one row of kind "published" per method and dataset split.

    What has a scene is an outcome of that scene, what has none one of the whole dataset. Storing
    the same values again changes nothing; a method that comes again with other values replaces its
    row, and the others stay. A writer that dies leaves the run as it was, and is called again.

    Args:
        title: of the rows, in the manifest.

    Raises:
        DataError: where there are no values, one does not fit the installed metrics and protocols,
            or one method has two values for one place, or scenes and a mean of them.
        StoreError: where the folder holds measured rows, or cannot be written.
    """
    if not values:
        raise DataError("there are no published values to store")
    for value in values:
        check(value, _named(value))
    _refuse_doubles(values)
    protocols = _protocols(values)
    with store.locked():
        earlier = store.read_manifest()
        _refuse_strangers(earlier, protocols, store)
        rows = {row["job"]: row for row in earlier.get("rows", ())}
        rows |= {row["job"]: row for row in _rows(values, title, store)}
        stated = earlier.get("protocols", {}) | protocols
        manifest = _manifest(_covering_alike(list(rows.values())), stated)
        if manifest | {"written": ""} != earlier | {"written": ""}:
            store.write_manifest(manifest)
    return StoredRun(store.path)


def _refuse_strangers(
    earlier: Mapping[str, Any], protocols: Mapping[str, Any], store: Store
) -> None:
    if any(row["kind"] != "published" for row in earlier.get("rows", ())):
        raise StoreError(
            f"{store.path}: holds measured rows, which published ones are never merged with; "
            "choose another --out"
        )
    for name, body in earlier.get("protocols", {}).items():
        if name in protocols and body["digest"] != protocols[name]["digest"]:
            raise StoreError(
                f"{store.path}: holds values under another version of protocol {name}; import "
                "everything again with another --out"
            )


def _rows(values: Sequence[PublishedValue], title: str, store: Store) -> Iterator[dict[str, Any]]:
    """The manifest's entry of each row, once its records are stored."""
    groups: dict[str, list[PublishedValue]] = {}
    for value in values:
        groups.setdefault(job_name(value.method, value.dataset, value.split), []).append(value)
    for job, group in groups.items():
        # Another protocol version makes another key, as it does for a measured record.
        stated = _protocols(group)
        key = digest([asdict(value) for value in group] + [p["digest"] for p in stated.values()])
        standing = {record["key"] for record in records.current(store, job, key)}
        missing = [r for r in _records(group, key, stated) if r["key"] not in standing]
        if missing:
            store.append(job, missing)
        yield _row(group, job, key, title)


def _records(
    group: Sequence[PublishedValue], job_key: str, protocols: Mapping[str, Any]
) -> Iterator[dict[str, Any]]:
    parts: dict[tuple[str, str, str], list[PublishedValue]] = {}
    for value in group:
        parts.setdefault((value.scene, value.metric, value.protocol), []).append(value)
    for (scene, metric, protocol), part in parts.items():
        yield {
            "key": digest([job_key, scene, metric, protocol]),
            "job": job_key,
            "scene": scene,
            "item": None,
            "metric": metric,
            "version": 0,
            "protocol": protocol,
            "comparison": protocols[protocol]["digest"],
            "outcomes": [
                [scene, metric, value.column, "value", value.value, "", value.note]
                for value in part
            ],
        }


def _row(group: Sequence[PublishedValue], job: str, key: str, title: str) -> dict[str, Any]:
    first = group[0]
    scenes = dict.fromkeys(value.scene for value in group if value.scene)
    return {
        "job": job,
        "key": key,
        "label": first.method,
        "method": first.method,
        "dataset": first.dataset,
        "split": first.split,
        "kind": "published",
        "input_class": dict.fromkeys(_UNSTATED, "unstated"),
        "privileged": [],
        "items": len(scenes),
        "title": title,
        "dataset_options": {},
        "samples": [[scene, ""] for scene in scenes],
        "sources": _distinct(_SOURCE, group),
        "notes": _distinct(_NOTE, [value for value in group if value.note]),
        # A mean alone has a spread that no record holds.
        "means": [asdict(value) for value in group if not value.scene],
    }


def _distinct(names: Sequence[str], values: Iterable[PublishedValue]) -> list[dict[str, Any]]:
    """These fields of the values, each combination once."""
    found = dict.fromkeys(tuple(getattr(value, name) for name in names) for value in values)
    return [dict(zip(names, each, strict=True)) for each in found]


def _covering_alike(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The rows of one dataset split cover the scenes of all of them, as measured rows do."""
    covered: dict[tuple[str, str], dict[str, None]] = {}
    for row in rows:
        scenes = covered.setdefault((row["dataset"], row["split"]), {})
        scenes.update(dict.fromkeys(scene for scene, _ in row["samples"]))
    return [
        row | {"samples": [[scene, ""] for scene in covered[row["dataset"], row["split"]]]}
        for row in rows
    ]


def _manifest(rows: list[dict[str, Any]], protocols: Mapping[str, Any]) -> dict[str, Any]:
    """The manifest as it reads once it is written."""
    metrics = registry().metrics.values()
    body = {
        "format": 1,
        "written": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "protocols": dict(protocols),
        "scores": {s.id: asdict(s) | {"metric": m.name} for m in metrics for s in m.scores},
        "impossible": [],
        "rows": rows,
    }
    plain: dict[str, Any] = json.loads(json.dumps(body))
    return plain


def _protocols(values: Iterable[PublishedValue]) -> dict[str, Any]:
    named: dict[str, Protocol] = {value.protocol: PROTOCOLS[value.protocol] for value in values}
    return {name: {"digest": body.digest, **asdict(body)} for name, body in named.items()}


def _refuse_doubles(values: Sequence[PublishedValue]) -> None:
    for where, times in Counter(map(place, values)).items():
        if times > 1:
            raise DataError(f"{', '.join(filter(None, where))}: is given {times} times; keep one")
    scenes = {place(value)[:-1] for value in values if value.scene}
    for value in values:
        if not value.scene and place(value)[:-1] in scenes:
            raise DataError(
                f"{_named(value)}: both scenes and their mean are given; keep the scenes, whose "
                "mean is computed"
            )


def _named(value: PublishedValue) -> str:
    where = f"{value.method!r} on {value.dataset}/{value.split}"
    return f"{where}, {written(value.metric, value.column)}"

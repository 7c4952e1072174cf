"""The manifest: who ran, on what, how, and with which versions."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from bench.environment import describe_machine
from bench.errors import StoreError
from bench.jobs import Job, content_digest
from bench.plan import Plan
from bench.plugins import Registry, source_hash
from bench.published import read
from bench.work import Settings, Work


def describe_run(
    plan: Plan,
    work: Sequence[Work],
    registry: Registry,
    settings: Settings,
    earlier: Mapping[str, Any],
    keep: Sequence[str],
) -> dict[str, Any]:
    """The body of manifest.json; rows of `keep` stay as they were in the `earlier` one.

    Raises:
        StoreError: where the earlier rows are published ones, which are never merged with others.
        DataError: where a dataset's file of published values is malformed.
    """
    if any(row["kind"] == "published" for row in earlier.get("rows", ())):
        raise StoreError("this folder holds imported published values; choose another --out")
    rows = {row["job"]: row for row in earlier.get("rows", ()) if row["job"] in keep}
    before = {row["job"]: row for row in earlier.get("rows", ())}
    rows |= {each.job.name: _row(each, before.get(each.job.name, {})) for each in work}
    metrics = registry.metrics.values()
    return {
        "format": 1,
        "written": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "machine": describe_machine(),
        # Seconds stay in the store, and so does what is to be said of them.
        "concurrent": settings.jobs > 1 or bool(earlier.get("concurrent")),
        "protocols": dict(earlier.get("protocols", {}) if keep else {})
        | {
            protocol.name: {"digest": protocol.digest, **asdict(protocol)}
            for protocol in plan.protocols
        },
        "scores": {s.id: asdict(s) | {"metric": m.name} for m in metrics for s in m.scores},
        "metrics": {m.name: {"version": m.version, "source": m.implementation} for m in metrics},
        "skipped": list(plan.skip),
        "impossible": [vars(entry) for entry in plan.impossible],
        "published": _published(work, earlier, list(rows.values())),
        "rows": list(rows.values()),
    }


def _published(
    work: Sequence[Work], earlier: Mapping[str, Any], rows: Sequence[Mapping[str, Any]]
) -> list[dict[str, Any]]:
    """What others published on the splits of these rows, as the datasets' cards have it now."""
    splits = {(each.job.dataset.name, each.job.split): each.job.dataset.published for each in work}
    kept = {(row["dataset"], row["split"]) for row in rows} - set(splits)
    entries = [e for e in earlier.get("published", ()) if (e["dataset"], e["split"]) in kept]
    for file in dict.fromkeys(file for file in splits.values() if file is not None):
        entries += [asdict(v) for v in read(file) if (v.dataset, v.split) in splits]
    return entries


def _row(work: Work, before: Mapping[str, Any]) -> dict[str, Any]:
    job = work.job
    # Where nothing is left to predict, the predictions are those of an earlier call's device.
    stands = not work.predict and before.get("key") == work.key
    made = before if stands else {"device": job.device, "threads": job.threads}
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
        "weights": _weights(job),
        "claims": [asdict(claim) for claim in job.method.claims],
        "device": made["device"],
        "threads": made["threads"],
        "seed": job.seed,
        "dataset_options": dict(job.dataset_options),
        "dataset_version": job.dataset.version,
        "dataset_licence": job.dataset.licence,
        "fingerprint": work.opened.fingerprint,
        "samples": [list(key) for key in work.opened.keys],
    }


def _weights(job: Job) -> dict[str, str] | None:
    file = job.weights
    if file is None or not file.exists():
        return None
    return {"file": str(file), "digest": content_digest(file)}

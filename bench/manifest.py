"""The manifest: who ran, on what, how, and with which versions."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from bench.environment import describe_machine
from bench.plan import Plan
from bench.plugins import Registry, source_hash
from bench.work import Settings, Work


def describe_run(
    plan: Plan,
    work: Sequence[Work],
    registry: Registry,
    settings: Settings,
    earlier: Mapping[str, Any],
    keep: Sequence[str],
) -> dict[str, Any]:
    """The body of manifest.json; rows of `keep` stay as they were in the `earlier` one."""
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

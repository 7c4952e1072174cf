"""What an item costs, from the items that earlier runs have finished."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

from bench.store import Store
from bench.work import Work

_ENOUGH = 50


def estimate(work: Work, store: Store) -> tuple[float | None, float | None]:
    """Mean seconds and bytes per item of this row here or in sibling runs; None where unknown.

    Reference rows need no worker and keep nothing: both are 0.
    """
    if work.job.kind in ("oracle", "noise"):
        return 0.0, 0.0
    found = list(islice(_finished(work, store), _ENOUGH))
    if not found:
        return None, None
    seconds, sizes = zip(*found, strict=True)
    return sum(seconds) / len(found), sum(sizes) / len(found)


def _finished(work: Work, store: Store) -> Iterator[tuple[float, float]]:
    siblings = sorted(path for path in store.path.parent.glob("*") if path != store.path)
    for run in [store.path, *siblings]:
        for key in work.opened.keys:
            status = Store(run).status(work.job.name, key)
            if status is not None and status.kind == "value":
                yield status.seconds, float(status.size)

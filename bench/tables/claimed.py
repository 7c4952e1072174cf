"""The claims of a run's methods, each with what its tables can say to it."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from bench.api import PublishedValue, Row, RunView
from bench.claims import Verdict, judge, not_checked
from bench.protocol import written
from bench.tables.table import Table


def verdicts(run: RunView, tables: Sequence[Table]) -> Iterator[Verdict]:
    """A verdict on each claim of each method of the run, row by row."""
    known = {(t.dataset, t.split, t.protocol.name): t for t in tables}
    for label, claims in _claimed(run).items():
        for claim in claims:
            table = known.get((claim.dataset, claim.split, claim.protocol))
            where = f"{claim.dataset}/{claim.split} under {claim.protocol}"
            row = None if table is None else _row(table, label)
            if table is None or row is None:
                yield not_checked(label, claim, f"this run has no {where}")
            else:
                yield _verdict(table, row, claim)


def _claimed(run: RunView) -> Mapping[str, Sequence[PublishedValue]]:
    """Label → the claims of its method; a method on several datasets claims once."""
    found: dict[str, dict[PublishedValue, None]] = {}
    for entry in run.manifest.get("rows", ()):
        claims: Sequence[Any] = entry.get("claims", ())
        if claims:
            mine = found.setdefault(entry["label"], {})
            mine.update(dict.fromkeys(PublishedValue(**claim) for claim in claims))
    return {label: list(claims) for label, claims in found.items()}


def _row(table: Table, label: str) -> Row | None:
    rows = (row for row in table.rows if row.label == label and row.kind != "published")
    return next(rows, None)


def _verdict(table: Table, row: Row, claim: PublishedValue) -> Verdict:
    name = written(claim.metric, claim.column)
    cell = table.cells.get((row.label, name))
    if cell is None or cell.kind != "value":
        return not_checked(row.label, claim, f"this run has no value of {name}")
    if cell.partial:
        return not_checked(row.label, claim, f"only {cell.covered} of {cell.expected} were scored")
    if row.privileged:
        return not_checked(row.label, claim, f"was granted {', '.join(row.privileged)}")
    means = table.numbers[name].scene_means(table.rows.index(row))
    means = means[~np.isnan(means)]
    if claim.n is not None and claim.n not in (len(means), table.items, cell.covered):
        return not_checked(row.label, claim, f"claimed over {claim.n}, this run has {len(means)}")
    return judge(row.label, claim, means)

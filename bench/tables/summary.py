"""A run in tables: per dataset and protocol, one cell per row label and metric column.

Numbers are means over scenes of scene means; a failure never becomes a number (design.md).
"""

import weakref
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from bench.api import PublishedValue, Row, RunView, Score
from bench.claims import Verdict
from bench.errors import StoreError
from bench.tables import statistics
from bench.tables.claimed import verdicts
from bench.tables.ledger import Failure, ledger
from bench.tables.outcomes import Measurements, long_table, measurements, parts
from bench.tables.protocols import stated
from bench.tables.published import Aside, aside, published_here
from bench.tables.table import Cell, CellKind, Column, Table, in_order, rivals, task_order


@dataclass(frozen=True, eq=False)
class Summary:
    """A whole run as reports show it.

    Attributes:
        outcomes: the long table it was made from.
        published: the values that stand beside measured rows.
        claims: what the methods' cards claim, held against what was measured.
    """

    tables: tuple[Table, ...]
    failures: tuple[Failure, ...]
    outcomes: pd.DataFrame
    published: tuple[PublishedValue, ...]
    claims: tuple[Verdict, ...]


_LATEST: list[tuple[weakref.ref[RunView], Summary]] = []


def summarise(run: RunView) -> Summary:
    """Read every outcome once and make the tables.

    The summary of the latest run is kept, so that several reports cost one reading; a run that has
    grown since must be opened anew.

    Raises:
        StoreError: where outcomes name a row, a score or a protocol that the run does not know.
    """
    for known, summary in _LATEST:
        if known() is run:
            return summary
    summary = _summarised(run)
    _LATEST[:] = [(weakref.ref(run), summary)]
    return summary


def _summarised(run: RunView) -> Summary:
    outcomes = long_table(run)
    tables = tuple(_table(run, part) for part in parts(outcomes, ["dataset", "split", "protocol"]))
    published = [value for table in tables for value in published_here(run, table)]
    return Summary(
        tables, tuple(ledger(outcomes)), outcomes, tuple(published), tuple(verdicts(run, tables))
    )


def _table(run: RunView, part: pd.DataFrame) -> Table:
    dataset, split, protocol = (part[name].iloc[0] for name in ("dataset", "split", "protocol"))
    own = [row for row in run.rows if (row.dataset, row.split) == (dataset, split)]
    _check_known(run, part["label"], [row.label for row in own], "row")
    _check_known(run, part["metric"], list(run.scores), "score")
    found = [*dict.fromkeys(zip(part["metric"], part["column"], strict=True))]
    columns = _columns(run.scores, found)
    others = aside(run, own, (dataset, split, protocol), columns)
    rows = in_order([*own, *others.rows])
    numbers, cells = _filled(part, columns, rows, others)
    keys = run.keys(dataset, split)
    return Table(
        dataset,
        split,
        stated(run, protocol),
        rows,
        columns,
        cells,
        numbers,
        scenes=len({key.scene for key in keys}),
        items=len(keys),
        timed_together=bool(run.manifest.get("concurrent")),
        sources=others.sources,
        published_notes=others.notes,
    )


def _filled(
    part: pd.DataFrame, columns: Sequence[Column], rows: Sequence[Row], others: Aside
) -> tuple[dict[str, Measurements], dict[tuple[str, str], Cell]]:
    """The numbers of every column, and the cell of every row in it."""
    published = [row.label for row in rows if row.kind == "published"]
    # A mean that somebody states is no unit that the others lack.
    units = part[~(part["label"].isin(published) & (part["unit"] == ""))]
    lines = {
        (column["metric"].iloc[0], column["column"].iloc[0]): column
        for column in parts(units, ["metric", "column"])
    }
    numbers: dict[str, Measurements] = {}
    cells: dict[tuple[str, str], Cell] = {}
    for column in columns:
        of_column = lines.get((column.score.id, column.second), units.iloc[:0])
        numbers[column.name] = measurements(of_column, [row.label for row in rows])
        cells.update(_cells(of_column, column, rows, numbers[column.name]))
    return numbers, cells | dict(others.cells)


def _check_known(run: RunView, found: "pd.Series[str]", known: Sequence[str], what: str) -> None:
    strangers = sorted(set(found) - set(known))
    if strangers:
        raise StoreError(f"{run.path}: records name a {what} {strangers[0]!r} that the run lacks")


def _columns(scores: Mapping[str, Score], found: list[tuple[str, str]]) -> tuple[Column, ...]:
    order = {metric: number for number, metric in enumerate(scores)}
    columns = [Column(scores[metric], second) for metric, second in found]
    return tuple(sorted(columns, key=lambda c: (*task_order(c.group), order[c.score.id], c.second)))


def _cells(
    lines: pd.DataFrame, column: Column, rows: Sequence[Row], numbers: Measurements
) -> Iterator[tuple[tuple[str, str], Cell]]:
    by_label = {part["label"].iloc[0]: part for part in parts(lines, ["label"])}
    bold = _bold(rows, column.score, numbers)
    for place, row in enumerate(rows):
        cell = Cell("absent")
        if row.label in by_label:
            cell = _cell(by_label[row.label], numbers, place)
        if cell.mean is not None and row.kind == "published":
            cell = replace(cell, std=statistics.deviation(numbers.scene_means(place)))
        yield (row.label, column.name), replace(cell, bold=place in bold)


def _cell(lines: pd.DataFrame, numbers: Measurements, place: int) -> Cell:
    counts = lines["kind"].value_counts()
    kinds: tuple[CellKind, ...] = ("value", "failed", "unavailable", "given")
    kind = next(kind for kind in kinds if kind in counts)
    failed = lines[lines["kind"] == "failed"]
    silent = max(0, len(numbers.values) - len(lines))
    reasons = Counter(failed["reason"]) + Counter({"not scored": silent})
    told = lines[lines["kind"].isin(("failed", "unavailable"))]["message"]
    return Cell(
        kind,
        statistics.mean(numbers.scene_means(place)) if kind == "value" else None,
        covered=int(counts.get("value", 0)),
        expected=len(numbers.values),
        reasons=reasons,
        message=next(iter(told), ""),
    )


def _bold(rows: Sequence[Row], score: Score, numbers: Measurements) -> set[int]:
    """Places of the rows in bold: within each group of ranked rows, the best and its ties."""
    chosen: set[int] = set()
    for places in rivals(rows) if score.ranked else ():
        values = numbers.values[:, places]
        higher = score.direction == "higher"
        won = statistics.advantages(values, numbers.items, numbers.scenes, higher)
        covered = [int((~np.isnan(numbers.scene_means(place))).sum()) for place in places]
        chosen |= {places[i] for i in statistics.best_and_tied(won, np.array(covered))}
    return chosen

"""A run in tables: per dataset and protocol, one cell per row label and metric column.

Numbers are means over scenes of scene means; a failure never becomes a number (design.md).
"""

import weakref
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Literal

import numpy as np
import pandas as pd

from bench.api import Row, RunView, Score
from bench.errors import StoreError
from bench.protocol import Protocol, written
from bench.tables import statistics
from bench.tables.ledger import Failure, ledger
from bench.tables.outcomes import Measurements, long_table, measurements, parts
from bench.tables.protocols import stated

GROUPS = (
    "mask",
    "normal",
    "albedo",
    "shading",
    "depth",
    "roughness",
    "specular",
    "light",
    "relit",
    "view",
    "consistency",
    "cost",
)

CellKind = Literal["value", "failed", "unavailable", "given", "absent"]


@dataclass(frozen=True)
class Column:
    """One metric under one comparison: what may share a column, and nothing else."""

    score: Score
    second: str

    @property
    def name(self) -> str:
        """The contract's column name, unique within a table."""
        return written(self.score.id, self.second)

    @property
    def group(self) -> str:
        """The task it belongs to, "albedo" of "albedo.psnr"."""
        return self.score.id.partition(".")[0]


@dataclass(frozen=True)
class Cell:
    """What is known of one row in one column.

    Attributes:
        mean: over scenes of scene means, of what was scored; None where nothing was.
        covered: units with a number.
        expected: units that any row of the table was scored on.
        reasons: reason of a failure → how many units.
        message: the first one of an unavailable or failed outcome.
    """

    kind: CellKind
    mean: float | None = None
    covered: int = 0
    expected: int = 0
    reasons: Mapping[str, int] | None = None
    message: str = ""
    bold: bool = False

    @property
    def partial(self) -> bool:
        """Whether † and the coverage must be shown."""
        return self.kind == "failed" or (self.kind == "value" and self.covered < self.expected)


@dataclass(frozen=True)
class Section:
    """Rows that stand between two rules; bold and rank stay within."""

    title: str
    rows: tuple[Row, ...]


@dataclass(frozen=True, eq=False)
class Table:
    """One dataset split under one protocol.

    Attributes:
        rows: ranked ones first, group by group, then privileged, floors, oracle and noise.
        cells: (label, column name) → cell, for every pair.
        numbers: column name → the single measurements, rows in the order of `rows`.
        scenes: how many scenes the run covered.
        items: how many samples the run covered.
        timed_together: seconds and memory were taken while other rows ran beside them.
    """

    dataset: str
    split: str
    protocol: Protocol
    rows: tuple[Row, ...]
    columns: tuple[Column, ...]
    cells: Mapping[tuple[str, str], Cell]
    numbers: Mapping[str, Measurements]
    scenes: int
    items: int
    timed_together: bool = False

    @property
    def name(self) -> str:
        """Dataset and split."""
        return f"{self.dataset}/{self.split}"

    def cell(self, row: Row, column: Column) -> Cell:
        """The cell of a row and a column."""
        return self.cells[row.label, column.name]

    def sections(self, columns: Sequence[Column] | None = None) -> list[Section]:
        """The rows between two rules each; of `columns`, those that have anything in them."""
        shown = [row for row in self.rows if columns is None or self._speaks(row, columns)]
        return [Section(title, tuple(rows)) for title, rows in groupby(shown, _section)]

    def groups(self) -> list[tuple[str, tuple[Column, ...]]]:
        """The columns task by task, without tasks that only reference rows have a number for."""
        contenders = [row for row in self.rows if row.kind in ("method", "floor")] or self.rows
        tasks = [(name, tuple(part)) for name, part in groupby(self.columns, lambda c: c.group)]
        return [
            (name, part)
            for name, part in tasks
            if any(self._speaks(row, part) for row in contenders)
        ]

    def _speaks(self, row: Row, columns: Sequence[Column]) -> bool:
        return any(self.cell(row, column).kind != "absent" for column in columns)


@dataclass(frozen=True, eq=False)
class Summary:
    """A whole run as reports show it; `outcomes` is the long table it was made from."""

    tables: tuple[Table, ...]
    failures: tuple[Failure, ...]
    outcomes: pd.DataFrame


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
    return Summary(tables, tuple(ledger(outcomes)), outcomes)


def _table(run: RunView, part: pd.DataFrame) -> Table:
    dataset, split, protocol = (part[name].iloc[0] for name in ("dataset", "split", "protocol"))
    rows = _ordered([row for row in run.rows if (row.dataset, row.split) == (dataset, split)])
    labels = [row.label for row in rows]
    _check_known(run, part["label"], labels, "row")
    _check_known(run, part["metric"], list(run.scores), "score")
    lines = {
        (column["metric"].iloc[0], column["column"].iloc[0]): column
        for column in parts(part, ["metric", "column"])
    }
    columns = _columns(run.scores, list(lines))
    numbers: dict[str, Measurements] = {}
    cells: dict[tuple[str, str], Cell] = {}
    for column in columns:
        of_column = lines[column.score.id, column.second]
        numbers[column.name] = measurements(of_column, labels)
        cells.update(_cells(of_column, column, rows, numbers[column.name]))
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
    )


def _check_known(run: RunView, found: "pd.Series[str]", known: Sequence[str], what: str) -> None:
    strangers = sorted(set(found) - set(known))
    if strangers:
        raise StoreError(f"{run.path}: records name a {what} {strangers[0]!r} that the run lacks")


def _columns(scores: Mapping[str, Score], found: list[tuple[str, str]]) -> tuple[Column, ...]:
    order = {metric: number for number, metric in enumerate(scores)}
    columns = [Column(scores[metric], second) for metric, second in found]
    return tuple(sorted(columns, key=lambda c: (*_task(c.group), order[c.score.id], c.second)))


def _task(group: str) -> tuple[int, str]:
    return (GROUPS.index(group), "") if group in GROUPS else (len(GROUPS), group)


def _ordered(rows: list[Row]) -> tuple[Row, ...]:
    groups = list(dict.fromkeys(row.group for row in rows))
    kinds = ("method", "floor", "oracle", "noise")

    def place(row: Row) -> tuple[bool, int, int]:
        return (not row.ranked, kinds.index(row.kind), groups.index(row.group) if row.ranked else 0)

    return tuple(sorted(rows, key=place))


def _section(row: Row) -> str:
    if row.ranked:
        views, geometry, light = row.group
        return f"views: {views} · geometry: {geometry} · light: {light}"
    if row.kind == "method":
        return "with privileged quantities (‡), not ranked"
    return {
        "floor": "floors, not ranked",
        "oracle": "oracle, not ranked",
        "noise": "render noise, not ranked",
    }[row.kind]


def _cells(
    lines: pd.DataFrame, column: Column, rows: Sequence[Row], numbers: Measurements
) -> Iterator[tuple[tuple[str, str], Cell]]:
    by_label = {part["label"].iloc[0]: part for part in parts(lines, ["label"])}
    bold = _bold(rows, column.score, numbers)
    for place, row in enumerate(rows):
        cell = Cell("absent")
        if row.label in by_label:
            cell = _cell(by_label[row.label], numbers, place)
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
    for group in {row.group for row in rows if row.ranked and score.ranked}:
        places = [place for place, row in enumerate(rows) if row.ranked and row.group == group]
        values = numbers.values[:, places]
        higher = score.direction == "higher"
        won = statistics.advantages(values, numbers.items, numbers.scenes, higher)
        covered = [int((~np.isnan(numbers.scene_means(place))).sum()) for place in places]
        chosen |= {places[i] for i in statistics.best_and_tied(won, np.array(covered))}
    return chosen

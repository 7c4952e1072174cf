"""One dataset split under one protocol, as rows, columns and cells."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Literal

from bench.api import Row, Score
from bench.protocol import Protocol, written
from bench.tables.outcomes import Measurements

GROUPS = (
    "mask",
    "normal",
    "albedo",
    "shading",
    "intrinsic",
    "depth",
    "mesh",
    "roughness",
    "metallic",
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
        std: of a published row, over its scenes or as its source has it (population).
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
    std: float | None = None

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
        rows: ranked ones first, group by group, then privileged, floors, oracle, noise, and what
            others published.
        cells: (label, column name) → cell, for every pair.
        numbers: column name → the single measurements, rows in the order of `rows`.
        scenes: how many scenes the run covered.
        items: how many samples the run covered.
        sources: label of a published row → where its numbers come from, a sentence each.
        published_notes: (column name, note on published numbers) → labels of the rows it is of.
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
    sources: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    published_notes: Mapping[tuple[str, str], Sequence[str]] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """Dataset and split."""
        return f"{self.dataset}/{self.split}"

    @property
    def measured(self) -> bool:
        """Whether any row was; published ones alone are compared among themselves."""
        return any(row.kind != "published" for row in self.rows)

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


def task_order(group: str) -> tuple[int, str]:
    """Sorts tasks as `GROUPS` has them, and unknown ones by name behind them."""
    return (GROUPS.index(group), "") if group in GROUPS else (len(GROUPS), group)


def in_order(rows: Sequence[Row]) -> tuple[Row, ...]:
    """Rows as a `Table` holds them."""
    groups = list(dict.fromkeys(row.group for row in rows))
    kinds = ("method", *_SECTIONS)

    def place(row: Row) -> tuple[bool, int, int]:
        return (not row.ranked, kinds.index(row.kind), groups.index(row.group) if row.ranked else 0)

    return tuple(sorted(rows, key=place))


def rivals(rows: Sequence[Row]) -> list[list[int]]:
    """Places of the rows that compete for bold, group by group.

    Published rows compete where nothing else is there, never with what was measured.
    """
    alone = all(row.kind == "published" for row in rows)
    groups: dict[tuple[str, str, str], list[int]] = {}
    for place, row in enumerate(rows):
        if row.ranked or alone:
            groups.setdefault(row.group, []).append(place)
    return list(groups.values())


_SECTIONS = {
    "floor": "floors, not ranked",
    "oracle": "oracle, not ranked",
    "noise": "render noise, not ranked",
    "published": "published, not measured here",
}


def _section(row: Row) -> str:
    if row.ranked:
        views, geometry, light = row.group
        return f"views: {views} · geometry: {geometry} · light: {light}"
    if row.kind == "method":
        return "with privileged quantities (‡), not ranked"
    return _SECTIONS[row.kind]

"""What others published, as rows and cells that stand apart from what was measured."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from bench.api import PublishedValue, Row, RunView
from bench.protocol import written
from bench.tables import statistics
from bench.tables.table import Cell, Column, Table

_UNSTATED = {"views": "unstated", "geometry": "unstated", "light": "unstated"}


@dataclass
class Aside:
    """What one table shows besides its outcomes.

    Attributes:
        rows: those that the run itself lacks.
        cells: (label, column name) → the value that somebody states for the whole dataset.
        sources: label → where a published row's numbers come from, a sentence each.
        notes: (column name, note) → labels of the rows that it is of.
    """

    rows: list[Row] = field(default_factory=list)
    cells: dict[tuple[str, str], Cell] = field(default_factory=dict)
    sources: dict[str, tuple[str, ...]] = field(default_factory=dict)
    notes: dict[tuple[str, str], list[str]] = field(default_factory=dict)

    def note(self, label: str, noted: Iterable[Mapping[str, Any]]) -> None:
        """Keep what is noted of a row's values."""
        for entry in noted:
            if entry["note"]:
                name = written(entry["metric"], entry["column"])
                labels = self.notes.setdefault((name, entry["note"]), [])
                if label not in labels:
                    labels.append(label)


def aside(
    run: RunView, own: Sequence[Row], where: tuple[str, str, str], columns: Sequence[Column]
) -> Aside:
    """What stands beside the outcomes of a dataset split under a protocol (`where`), in `columns`.

    That is, of measured runs what their datasets' cards bring, and of imported ones the means that
    were imported as such.
    """
    found = Aside()
    labels = {row.label for row in own}
    for method, values in _beside(run, where, columns).items():
        label = method
        while label in labels:
            label += " (published)"
        dataset, split, _ = where
        found.rows.append(Row(label, method, dataset, split, "published", _UNSTATED))
        found.cells |= dict(_cells(label, values))
        found.sources[label] = _told(vars(value) for value in values)
        found.note(label, map(vars, values))
    published = {row.label for row in own if row.kind == "published"}
    for entry in run.manifest.get("rows", ()):
        if entry["label"] in published and (entry["dataset"], entry["split"]) == where[:2]:
            means = (PublishedValue(**mean) for mean in entry["means"])
            under = [mean for mean in means if mean.protocol == where[2]]
            found.cells |= dict(_cells(entry["label"], under))
            found.sources[entry["label"]] = _told(entry["sources"])
            found.note(entry["label"], (n for n in entry["notes"] if n["protocol"] == where[2]))
    return found


def published_here(run: RunView, table: Table) -> list[PublishedValue]:
    """The values that stand beside the measured rows of a table."""
    where = (table.dataset, table.split, table.protocol.name)
    return [value for part in _beside(run, where, table.columns).values() for value in part]


def _beside(
    run: RunView, where: tuple[str, str, str], columns: Sequence[Column]
) -> dict[str, list[PublishedValue]]:
    """Method → what it is shown with."""
    names = {column.name for column in columns}
    places: dict[tuple[str, str], list[PublishedValue]] = {}
    for entry in run.manifest.get("published", ()):
        value = PublishedValue(**entry)
        if (value.dataset, value.split, value.protocol) == where and _column(value) in names:
            places.setdefault((value.method, _column(value)), []).append(value)
    covered = {key.scene for key in run.keys(*where[:2])} if places else set()
    found: dict[str, list[PublishedValue]] = {}
    for (method, _), values in places.items():
        if shown := _comparable(values, covered):
            found.setdefault(method, []).extend(shown)
    return found


def _comparable(values: Sequence[PublishedValue], covered: set[str]) -> list[PublishedValue]:
    """The values of the scenes that the run covered if there are all, or else the stated mean.

    A mean over some of the scenes would be of another dataset.
    """
    scenes = [value for value in values if value.scene in covered]
    if scenes and {value.scene for value in scenes} == covered:
        return scenes
    return [value for value in values if not value.scene]


def _cells(label: str, values: Sequence[PublishedValue]) -> Iterator[tuple[tuple[str, str], Cell]]:
    for name in dict.fromkeys(map(_column, values)):
        part = [value for value in values if _column(value) == name]
        stated = next((value for value in part if not value.scene), None)
        if stated is not None:
            cell = Cell("value", stated.value, std=stated.std)
        else:
            scenes = np.array([value.value for value in part])
            cell = Cell("value", statistics.mean(scenes), std=statistics.deviation(scenes))
        yield (label, name), cell


def _column(value: PublishedValue) -> str:
    return written(value.metric, value.column)


def _told(sources: Iterable[Mapping[str, Any]]) -> tuple[str, ...]:
    """Each distinct source in words."""
    return tuple(dict.fromkeys(map(_source, sources)))


def _source(source: Mapping[str, Any]) -> str:
    parts = [source["source"] or "no source given"]
    if source["n"] is not None:
        parts.append(f"mean of {source['n']}")
    if source["retrieved"]:
        parts.append(f"read {source['retrieved']}")
    if not source["verified"]:
        parts.append("unverified")
    return "; ".join(parts)

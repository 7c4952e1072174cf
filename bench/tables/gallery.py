"""The gallery: for a few scenes of each table, what every row predicted, beside the truth."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import groupby

import numpy as np
import pandas as pd

from bench.api import Key, Prediction, Row, RunView, Sample
from bench.errors import DataError
from bench.tables.strips import Shelf, Strip, strips
from bench.tables.table import Table

SCENES = 6


@dataclass(frozen=True, eq=False)
class Exhibit:
    """One item: its strips."""

    sample: Sample
    strips: tuple[Strip, ...]


@dataclass(frozen=True, eq=False)
class Gallery:
    """The exhibits of one table.

    Attributes:
        rows: head the columns after input and truth; those that predicted something shown.
        message: why exhibits are missing, empty where none is.
    """

    rows: tuple[Row, ...]
    exhibits: tuple[Exhibit, ...]
    message: str = ""


def gallery(run: RunView, table: Table, outcomes: pd.DataFrame) -> Gallery:
    """Show at most `SCENES` scenes, evenly chosen; data that is not here gives a message instead.

    Args:
        run: where samples, targets and predictions come from.
        table: the dataset shown; its protocol decides the alignment.
        outcomes: the long table, which tells where something failed.
    """
    shelves: list[Shelf] = []
    message = ""
    if not table.measured:
        return Gallery((), ())
    try:
        for key in chosen_keys(run.keys(table.dataset, table.split), _failures(table, outcomes)):
            shelves.append(_shelf(run, table, key))
    except DataError as error:
        message = str(error)
    places = [i for i in range(len(table.rows)) if any(shelf.predictions[i] for shelf in shelves)]
    shown = (replace(s, predictions=[s.predictions[i] for i in places]) for s in shelves)
    exhibits = tuple(Exhibit(shelf.sample, tuple(strips(shelf))) for shelf in shown)
    return Gallery(tuple(table.rows[i] for i in places), exhibits, message)


def chosen_keys(keys: Sequence[Key], failures: Counter[Key]) -> list[Key]:
    """One key for each of at most `SCENES` scenes: the first at which the fewest rows failed."""
    scenes = [list(part) for _, part in groupby(keys, lambda key: key.scene)]
    places = np.linspace(0, len(scenes) - 1, min(SCENES, len(scenes))).round().astype(int)
    return [min(scenes[place], key=lambda key: failures[key]) for place in places]


def _failures(table: Table, outcomes: pd.DataFrame) -> Counter[Key]:
    """How many rows failed at each item, in any metric."""
    here = (outcomes["dataset"] == table.dataset) & (outcomes["split"] == table.split)
    lines = outcomes[here & (outcomes["kind"] == "failed")]
    once = lines.drop_duplicates(["label", "scene", "item"])
    return Counter(map(Key, once["scene"], once["item"]))


def _shelf(run: RunView, table: Table, key: Key) -> Shelf:
    return Shelf(
        table,
        run.sample(table.dataset, table.split, key),
        run.targets(table.dataset, table.split, key),
        [_prediction(run, row, key) for row in table.rows],
    )


def _prediction(run: RunView, row: Row, key: Key) -> Prediction | str:
    if row.kind == "published":
        return {}
    try:
        return run.prediction(row, key)
    except DataError as error:
        return str(error)

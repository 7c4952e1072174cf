"""The long table of outcomes, and the numbers of one column as arrays."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from bench.api import Outcome, RunView
from bench.errors import StoreError
from bench.tables import statistics


@dataclass(frozen=True, eq=False)
class Measurements:
    """The numbers of one metric column of one dataset.

    Attributes:
        values: U×R, one column per row of the table, NaN where there is no number.
        items: U indices of the item that a unit belongs to.
        scenes: I indices of the scene that an item belongs to.
        scene_names: S names.
    """

    values: NDArray[np.float64]
    items: NDArray[np.integer[Any]]
    scenes: NDArray[np.integer[Any]]
    scene_names: tuple[str, ...]

    def scene_means(self, row: int) -> NDArray[np.float64]:
        """S means of one table row, NaN for scenes without a number."""
        return statistics.scene_means(self.values[:, row], self.items, self.scenes)


def long_table(run: RunView) -> pd.DataFrame:
    """Every outcome as a line with the fields of `Outcome`, and its `item` within the scene.

    Raises:
        StoreError: where an outcome of kind "value" holds no number.
    """
    table = pd.DataFrame.from_records(list(run.outcomes()), columns=list(Outcome._fields))
    table["value"] = table["value"].astype(np.float64)
    hollow = table[(table["kind"] == "value") & table["value"].isna()]
    if len(hollow):
        first = hollow.iloc[0]
        raise StoreError(
            f"{run.path}: {first.label!r} on {first.dataset}/{first.split}, {first.unit}: "
            f"{first.metric} is recorded as a value but holds no number; score the run again"
        )
    pairs = zip(table["scene"], table["unit"], strict=True)
    table["item"] = [item_within(scene, unit) for scene, unit in pairs]
    return table


def item_within(scene: str, unit: str) -> str:
    """The item of a unit: its id, "id~id" for a pair, "" for a whole scene or dataset."""
    inside = unit.removeprefix(f"{scene}/") if unit != scene else ""
    return inside.partition("/")[0]


def measurements(column: pd.DataFrame, labels: list[str]) -> Measurements:
    """One metric column of one dataset as arrays; `labels` are the rows of the table in order.

    A whole item that failed stands for its queries, and is no unit beside them.
    """
    wholes = {unit.rpartition("/")[0] for unit in set(column["unit"]) if unit}
    column = column[~column["unit"].isin(wholes)]
    units, _ = pd.factorize(column["unit"])
    rows = pd.Index(labels).get_indexer(pd.Index(column["label"]))
    values = np.full((int(units.max(initial=-1)) + 1, len(labels)), np.nan)
    valued = (column["kind"] == "value").to_numpy()
    values[units[valued], rows[valued]] = column["value"].to_numpy()[valued]
    whole = column.drop_duplicates("unit")
    items = whole.groupby(["scene", "item"], sort=False).ngroup().to_numpy()
    scenes, scene_names = pd.factorize(whole.drop_duplicates(["scene", "item"])["scene"])
    return Measurements(values, items, scenes, tuple(scene_names))


def parts(lines: pd.DataFrame, names: list[str]) -> Iterator[pd.DataFrame]:
    """The lines that agree in these columns, in the order of their first appearance."""
    return (part for _, part in lines.groupby(names, sort=False))

"""The failure ledger: what failed, why, and how often."""

from collections.abc import Iterator
from dataclasses import dataclass

import pandas as pd

from bench.tables.outcomes import parts


@dataclass(frozen=True)
class Failure:
    """One line of the failure ledger: how many items of a row failed for one reason."""

    row: str
    dataset: str
    split: str
    reason: str
    items: int
    unit: str
    message: str


def ledger(outcomes: pd.DataFrame) -> Iterator[Failure]:
    """One line per row, dataset and reason, in the order of their first appearance."""
    failed = outcomes[outcomes["kind"] == "failed"]
    for lines in parts(failed, ["label", "dataset", "split", "reason"]):
        first = lines.iloc[0]
        yield Failure(
            first["label"],
            first["dataset"],
            first["split"],
            first["reason"],
            items=len(lines[["scene", "item"]].drop_duplicates()),
            unit=first["unit"],
            message=first["message"],
        )

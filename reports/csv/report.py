"""scores.csv: one line per method and dataset. items.csv: one line per outcome."""

from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

import pandas as pd

from bench.api import RunView
from bench.tables import wording
from bench.tables.summary import Table, summarise


class Csv:
    """A number is empty where there is none (failed, unavailable, given, not predicted)."""

    def write(self, run: RunView, folder: Path) -> Sequence[Path]:
        """Write scores.csv for the first protocol, scores-NAME.csv for further ones, items.csv."""
        summary = summarise(run)
        written = [folder / "items.csv"]
        summary.outcomes.drop(columns="item").to_csv(written[0], index=False)
        protocols = sorted(summary.tables, key=lambda table: table.protocol.name)
        first = summary.tables[0].protocol.name if summary.tables else ""
        for name, tables in groupby(protocols, lambda table: table.protocol.name):
            file = folder / ("scores.csv" if name == first else f"scores-{name}.csv")
            _scores(list(tables)).to_csv(file, index=False)
            written.append(file)
        return written


def _scores(tables: Sequence[Table]) -> pd.DataFrame:
    """Columns label, method, dataset, split, input_class, then every metric column."""
    names = list(dict.fromkeys(column.name for table in tables for column in table.columns))
    head = ["label", "method", "dataset", "split", "input_class"]
    lines = [line for table in tables for line in _lines(table)]
    return pd.DataFrame(lines, columns=head + names)


def _lines(table: Table) -> Iterator[dict[str, Any]]:
    for row in table.rows:
        line: dict[str, Any] = {"label": row.label, "method": row.method}
        line |= {"dataset": row.dataset, "split": row.split}
        line["input_class"] = wording.input_words(row)
        yield line | {column.name: table.cell(row, column).mean for column in table.columns}

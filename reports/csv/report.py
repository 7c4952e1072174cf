"""scores.csv: one line per method and dataset. items.csv: one line per outcome.

What others published stands in published.csv, which `bench import table` reads; claims.csv holds
the verdicts on what methods claim. Both are there only where there is any.
"""

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from itertools import groupby
from pathlib import Path
from typing import Any

import pandas as pd

from bench.api import RunView
from bench.tables import wording
from bench.tables.summary import Summary, summarise
from bench.tables.table import Table


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
        for name, frame in (("published", _published(summary)), ("claims", _claims(summary))):
            if len(frame):
                frame.to_csv(folder / f"{name}.csv", index=False)
                written.append(folder / f"{name}.csv")
        return written


def _published(summary: Summary) -> pd.DataFrame:
    frame = pd.DataFrame([asdict(value) for value in summary.published])
    if len(frame):
        frame["verified"] = frame["verified"].map({True: "true", False: "false"})
        frame["n"] = frame["n"].astype("Int64")
    return frame


def _claims(summary: Summary) -> pd.DataFrame:
    """The columns of published.csv behind label, verdict, measured and its interval."""
    return pd.DataFrame(
        [
            {
                "label": verdict.label,
                "verdict": verdict.words,
                "measured": verdict.measured,
                "low": verdict.low,
                "high": verdict.high,
                **asdict(verdict.claim),
            }
            for verdict in summary.claims
        ]
    )


def _scores(tables: Sequence[Table]) -> pd.DataFrame:
    """Columns label, method, dataset, split, input_class, then every metric column."""
    names = list(dict.fromkeys(column.name for table in tables for column in table.columns))
    head = ["label", "method", "dataset", "split", "input_class"]
    lines = [line for table in tables for line in _lines(table)]
    return pd.DataFrame(lines, columns=head + names)


def _lines(table: Table) -> Iterator[dict[str, Any]]:
    for row in table.rows:
        if row.kind == "published" and table.measured:
            continue
        line: dict[str, Any] = {"label": row.label, "method": row.method}
        line |= {"dataset": row.dataset, "split": row.split}
        line["input_class"] = wording.input_words(row)
        yield line | {column.name: table.cell(row, column).mean for column in table.columns}

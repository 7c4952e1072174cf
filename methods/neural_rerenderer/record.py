"""What a training leaves beside its weights: settings that claim the folder, a record, a log."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from pathlib import Path

import numpy as np

RECORD, LOG = "record.json", "log.csv"
_FIELDS = ("stage", "step", "part", "name", "value")
_EVERY = 50
"""Steps over which the losses of one line of the log are averaged."""


class Log:
    """Writes `log.csv` into a folder, from a step of a stage on.

    What an earlier, killed call wrote about later steps is taken out, for they are done again.
    """

    def __init__(self, folder: Path, stage: int, step: int) -> None:
        self._collected: dict[str, list[float]] = {}
        _cut(folder / LOG, stage, step)
        self._file = (folder / LOG).open("a", newline="", encoding="utf-8")
        self._table = csv.writer(self._file)

    def __enter__(self) -> Log:
        return self

    def __exit__(self, *error: object) -> None:
        self._file.close()

    def losses(self, stage: int, step: int, values: Mapping[str, float]) -> None:
        """Collect the losses of one step; every so often their means are written."""
        for name, value in values.items():
            self._collected.setdefault(name, []).append(value)
        if step % _EVERY == 0:
            self.settle(stage, step)

    def settle(self, stage: int, step: int) -> None:
        """Write the means since the last line, before a state is saved from which to go on."""
        means = {name: float(np.mean(found)) for name, found in self._collected.items()}
        self._write(stage, step, "train", means)
        self._collected.clear()

    def validation(self, stage: int, step: int, values: Mapping[str, float]) -> None:
        """Write what the validation split says."""
        self._write(stage, step, "val", values)

    def _write(self, stage: int, step: int, part: str, values: Mapping[str, float]) -> None:
        for name, value in values.items():
            self._table.writerow([stage, step, part, name, f"{value:.6g}"])
        self._file.flush()


def _cut(path: Path, stage: int, step: int) -> None:
    """Leave the heading and the rows up to a step, or make a table of the heading."""
    partial = path.with_name(f".{path.name}.partial")
    with partial.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([_FIELDS, *_rows_until(path, stage, step)])
    partial.replace(path)


def _rows_until(path: Path, stage: int, step: int) -> list[list[str]]:
    if not path.exists():
        return []
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.reader(file))[1:]
    whole = [row for row in rows if len(row) == len(_FIELDS)]  # the last may be cut off
    return [row for row in whole if (int(row[0]), int(row[1])) <= (stage, step)]

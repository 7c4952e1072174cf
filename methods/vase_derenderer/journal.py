"""The diary of a training: a table anybody can read, and events for TensorBoard."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from torch.utils.tensorboard import SummaryWriter

LOG = "log.csv"
_FIELDS = ("step", "part", "name", "value")
EVERY = 20
"""Steps over which the losses of one line of the log are averaged."""


class Journal:
    """Writes `log.csv` and TensorBoard events into a folder, from step `start` on.

    What an earlier, killed call wrote about later steps is taken out, for they are done again.
    """

    def __init__(self, folder: Path, start: int) -> None:
        self.folder = folder
        self._collected: dict[str, list[float]] = {}
        _cut(folder / LOG, start)
        self._file = (folder / LOG).open("a", newline="", encoding="utf-8")
        self._table = csv.writer(self._file)
        self._events = SummaryWriter(str(folder / "tensorboard"), purge_step=start + 1)

    def __enter__(self) -> Journal:
        return self

    def __exit__(self, *error: object) -> None:
        self._file.close()
        self._events.close()

    def losses(self, step: int, values: Mapping[str, float]) -> None:
        """Collect the losses of one step; every so often their means are written."""
        for name, value in values.items():
            self._collected.setdefault(name, []).append(value)
        if step % EVERY == 0:
            self.settle(step)

    def settle(self, step: int) -> None:
        """Write the means since the last line, before a state is saved from which to go on."""
        means = {name: float(np.mean(found)) for name, found in self._collected.items()}
        self._write(step, "train", means)
        self._collected.clear()

    def validation(self, step: int, values: Mapping[str, float]) -> None:
        """Write what the validation split says."""
        self._write(step, "val", values)

    def picture(self, step: int, image: NDArray[np.float32]) -> None:
        """Show one picture H×W×3 in [0, 1]."""
        self._events.add_image("pictures", image, step, dataformats="HWC")

    def _write(self, step: int, part: str, values: Mapping[str, float]) -> None:
        for name, value in values.items():
            self._table.writerow([step, part, name, f"{value:.6g}"])
            self._events.add_scalar(f"{part}/{name}", value, step)
        self._file.flush()


def _cut(path: Path, step: int) -> None:
    """Leave the heading and the rows of steps up to `step`, or make a table of the heading."""
    partial = path.with_name(f".{path.name}.partial")
    with partial.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([_FIELDS, *_rows_until(path, step)])
    partial.replace(path)


def _rows_until(path: Path, step: int) -> list[list[str]]:
    if not path.exists():
        return []
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.reader(file))[1:]
    whole = [row for row in rows if len(row) == len(_FIELDS)]  # the last may be cut off
    return [row for row in whole if int(row[0]) <= step]

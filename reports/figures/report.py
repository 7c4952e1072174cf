"""Every figure of every table as PNG and PDF."""

from collections.abc import Sequence
from pathlib import Path

from bench.api import RunView
from bench.tables.figures import figures, save
from bench.tables.summary import summarise
from bench.tables.wording import file_stem


class Figures:
    """Distributions per metric, and quality against time."""

    def write(self, run: RunView, folder: Path) -> Sequence[Path]:
        """Write figures/<dataset>-<split>-<protocol>-<figure>.png and .pdf."""
        place = folder / "figures"
        place.mkdir(exist_ok=True)
        written = []
        for table in summarise(run).tables:
            for name, _, figure in figures(table):
                for suffix in ("png", "pdf"):
                    file = place / f"{file_stem(table)}-{name}.{suffix}"
                    written.append(save(figure, file))
        return written

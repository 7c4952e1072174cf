"""The bar that long work draws on a terminal."""

from __future__ import annotations

import sys

from bench.work import Progress


class progress_bar:
    """A progress bar on a terminal; nothing elsewhere but warnings."""

    def __enter__(self) -> Progress:
        from tqdm import tqdm

        self._bar = tqdm(disable=None, unit="item", dynamic_ncols=True, file=sys.stderr)
        return Progress(
            total=self._bar.reset,
            advance=self._advance,
            describe=self._bar.set_description_str,
            warn=lambda text: self._bar.write(f"warning: {text}", file=sys.stderr),
        )

    def _advance(self, items: int) -> None:
        self._bar.update(items)

    def __exit__(self, *_: object) -> None:
        self._bar.close()

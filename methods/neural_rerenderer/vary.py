"""`bench vary neural-rerenderer`: the same views under the looks of several photos (spec §8)."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from tqdm import tqdm

from bench.api import Source
from bench.errors import DataError
from bench.graphics.colour import srgb_encode
from bench.graphics.image_files import write_png
from bench.training.devices import device_named
from bench.training.folders import written_whole

from .encoding import Float32, Floating
from .grids import fitted, grid, shown
from .rerender import Rerenderer
from .views import View, chosen, photographed, spread

GRID, SCORES = "variation.png", "scores.csv"

Codes = Mapping[str, Tensor]
"""Appearance codes 8 by the name of the view whose photo they are of."""


@dataclass(frozen=True)
class Cell:
    """How well one view came out under one photo's look.

    Attributes:
        own: the photo is the one that belongs to the view.
        psnr: dB on sRGB-encoded values in [0, 1], inside the dataset's mask. Where the photo is
            the very one asked for, codes are of left halves and the right half is scored.
    """

    view: str
    appearance: str
    own: bool
    psnr: float


def vary(
    *,
    dataset: Source,
    split: str,
    checkpoint: Path | None,
    out: Path,
    views: str | None,
    columns: int,
    appearances: str | None,
    rows: int,
    limit: int,
    seed: int,
    device: str,
) -> None:
    """Write a grid of views under several looks, and say how much the right look matters.

    Into `out` go variation.png (first row the raw renders, first column the photos) and scores.csv:
    the PSNR of every cell of the grid, and of every view of the split under its own photo and under
    one of another sample, drawn by the seed.

    Args:
        views, appearances: names with commas between; empty: `columns` and `rows` of the split.
        limit: most views that are scored, 0 for all.

    Raises:
        ConfigError: a name that the split does not know.
        DataError: no framebuffers, photos or weights that can be used.
        UnavailableError: no weights, or another device than is here.
    """
    rerenderer = Rerenderer.from_file(checkpoint, device_named(device))
    across = chosen(dataset, split, views, columns)
    down = chosen(dataset, split, appearances, rows)
    judge = Judge(rerenderer, dataset, split)
    picture = variation(rerenderer, across, down)
    codes = judge.codes(down)
    cells = [cell for view in across for cell in judge.cells(view, codes)]
    pairs = list(judge.own_against_another(limit, seed))
    with written_whole(out) as folder:
        write_png(folder / GRID, picture)
        _write(folder / SCORES, {(c.view, c.appearance): c for c in [*cells, *pairs]}.values())
    print(f"{out}: {GRID}, {SCORES}")
    print(_verdict(pairs))


def variation(rerenderer: Rerenderer, across: Sequence[View], down: Sequence[View]) -> Float32:
    """The grid H×W×3, sRGB-encoded: a column for each view, a row for each photo's look."""
    height, width = (max(view.framebuffer.shape[axis] for view in across) for axis in (0, 1))
    conditions = [view.condition(rerenderer) for view in across]
    rows: list[list[Floating | None]] = [[None, *(shown(view.framebuffer) for view in across)]]
    for look in down:
        code = rerenderer.codes([look.appearance(rerenderer)])  # 1×8
        pictures = rerenderer.render(conditions, code.expand(len(conditions), -1))
        photo = fitted(shown(look.photograph), height, width)
        rows.append([photo, *(shown(picture) for picture in pictures)])
    return grid(rows)


class Judge:
    """Scores views of one split under the looks of photos."""

    def __init__(self, rerenderer: Rerenderer, source: Source, split: str) -> None:
        self._rerenderer, self._source, self._split = rerenderer, source, split

    def codes(self, looks: Iterable[View]) -> Codes:
        """Their codes, of left halves where a photo is the answer."""
        return {
            look.name: self._rerenderer.codes([look.appearance(self._rerenderer, look.own)])[0]
            for look in looks
        }

    def cells(self, view: View, codes: Codes) -> Iterator[Cell]:
        """One view under several looks; nothing where there is no pixel to score."""
        photo, mask = photographed(self._source, self._split, view)
        inside = mask[..., 0] > 0.5  # H×W
        if view.own:
            inside[:, : inside.shape[1] // 2] = False
        if not inside.any():
            return
        conditions = [view.condition(self._rerenderer)] * len(codes)
        pictures = self._rerenderer.render(conditions, torch.stack(list(codes.values())))
        for look, picture in zip(codes, pictures, strict=True):
            yield Cell(view.name, look, look == view.name, _psnr(picture, photo, inside))

    def own(self, limit: int) -> Iterator[Cell]:
        """Each view under its own look."""
        for view in self._views("scores", limit):
            yield from self.cells(view, self.codes([view]))

    def own_against_another(self, limit: int, seed: int) -> Iterator[Cell]:
        """Each view under its own look, then under the one of another sample.

        Samples of one bundle may name the same photo, or photos be identical: a look of the very
        same code is no other one, and the next is taken. A view without another is left out.
        """
        codes = self.codes(self._views("codes", limit))
        names, rng = list(codes), np.random.default_rng(seed)
        if len(names) < 2:
            return
        for index, view in enumerate(self._views("scores", limit)):
            first = index + int(rng.integers(1, len(names)))
            others = (names[(first + step) % len(names)] for step in range(len(names)))
            own = codes[view.name]
            other = next((name for name in others if not torch.equal(codes[name], own)), None)
            if other is not None:
                yield from self.cells(view, {view.name: own, other: codes[other]})

    def _views(self, doing: str, limit: int) -> Iterable[View]:
        views: Iterable[View] = tqdm(
            spread(self._source, self._split, limit), doing, leave=False, disable=None
        )
        return views


def _psnr(picture: Float32, photo: Float32, inside: NDArray[np.bool_]) -> float:
    """dB over the pixels inside, H×W, of two linear images H×W×3."""
    if picture.shape != photo.shape:
        raise DataError(f"the photo is {photo.shape[:2]}, its framebuffer {picture.shape[:2]}")
    ours, theirs = (srgb_encode(np.clip(each[inside], 0, 1)) for each in (picture, photo))  # N×3
    error = float(np.mean((ours - theirs) ** 2))
    return float(-10 * np.log10(max(error, 1e-12)))


def _verdict(pairs: Sequence[Cell]) -> str:
    if not pairs:
        return "one view alone: nothing to compare its own look with"
    own, other = ([c.psnr for c in pairs if c.own is kind] for kind in (True, False))
    better = np.mean([ours > theirs for ours, theirs in zip(own, other, strict=True)])
    return (
        f"PSNR under the own look {np.mean(own):.2f} dB, under another {np.mean(other):.2f} dB; "
        f"the own look is better on {better:.0%} of {len(own)} views"
    )


def _write(path: Path, cells: Iterable[Cell]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, [field.name for field in fields(Cell)], lineterminator="\n")
        writer.writeheader()
        for cell in cells:
            writer.writerow({**asdict(cell), "psnr": f"{cell.psnr:.4f}"})

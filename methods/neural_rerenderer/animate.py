"""`bench animate neural-rerenderer`: films in which the look of a scene changes, or its view too.

A film without a path stands still: frame k of N has the code z₁ + k/(N−1)·(z₂ − z₁). Along a path
the views move at the same time; with one photo alone the look stays (spec §8).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from tqdm import tqdm

from bench.api import Source
from bench.errors import ConfigError, DataError
from bench.graphics.film_files import write_gif, write_mp4
from bench.graphics.image_files import write_png
from bench.training.devices import device_named
from bench.training.folders import written_whole

from .grids import shown
from .rerender import Rerenderer
from .views import View, chosen, spread

Frame = NDArray[np.uint8]


def animate(
    *,
    dataset: Source,
    split: str,
    checkpoint: Path | None,
    out: Path,
    view: str | None,
    appearances: str | None,
    path: str | None,
    frames: int,
    rate: int,
    device: str,
) -> None:
    """Write a film as .mp4 and .gif, its frames as stills/frame_%03d.png, and film.json.

    Args:
        view: name of the view that stands still; default: the split's first. Not with `path`.
        appearances: names of one or two views, with a comma between, whose photos' looks the film
            goes from and to; default: the split's first and last.
        path: split whose framebuffers, in their order, are the film's views.
        frames: of a film that stands still.

    Raises:
        ConfigError: names that do not fit one another or the split.
        DataError: no framebuffers, photos or weights that can be used.
        UnavailableError: weights, the device or ffmpeg are not here.
    """
    rerenderer = Rerenderer.from_file(checkpoint, device_named(device))
    looks = chosen(dataset, split, appearances, 2)
    if not 2 - bool(path) <= len(looks) <= 2:
        raise ConfigError(
            f"{len(looks)} appearances: a film that stands still goes from one look to another, "
            "one along a path may also keep one; name them with --appearances A,B"
        )
    codes = rerenderer.codes([look.appearance(rerenderer) for look in looks])  # 1…2×8
    along, count = _along(dataset, split, view, path, frames)
    film = rendered(rerenderer, along, between(codes, count))
    pictures = list(tqdm(film, "frames", count, leave=False, disable=None))
    record = {
        "dataset": dataset.name,
        "split": split,
        "view": view,
        "path": path,
        "appearances": [look.name for look in looks],
        "frames": count,
        "rate": rate,
    }
    with written_whole(out) as folder:
        _write(folder, pictures, rate)
        (folder / "film.json").write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    print(f"{out}: film.mp4, film.gif, film.json, stills/ of {count} frames")


def between(codes: Tensor, count: int) -> Tensor:
    """`count` codes, count×8, evenly from the first to the last of codes 1…2×8, ends included."""
    share = torch.linspace(0, 1, count, device=codes.device)[:, None]  # count×1
    return torch.lerp(codes[:1], codes[-1:], share)


def rendered(rerenderer: Rerenderer, views: Iterable[View], codes: Tensor) -> Iterator[Frame]:
    """A frame H×W×3 for each view under its code, N×8.

    Raises:
        DataError: a view of another size than the first.
    """
    size: tuple[int, ...] | None = None
    for view, code in zip(views, codes, strict=True):
        (picture,) = rerenderer.render([view.condition(rerenderer)], code[None])
        size = size or picture.shape
        if picture.shape != size:
            raise DataError(
                f"{view.name} is {_written(picture.shape)}, the frames before it are "
                f"{_written(size)}: a film needs views of one size"
            )
        yield np.rint(255 * shown(picture)).astype(np.uint8)


def _along(
    source: Source, split: str, view: str | None, path: str | None, frames: int
) -> tuple[Iterable[View], int]:
    """The views of a film, and how many."""
    if view and path:
        raise ConfigError("--view and --path: a film stands still or follows a path, not both")
    if path:
        return spread(source, path, 0), len(source.dataset.samples(path))
    (still, *others) = chosen(source, split, view, 1)
    if others:
        raise ConfigError(f"--view {view}: one view stands still; name one")
    return [still] * frames, frames


def _write(folder: Path, frames: Sequence[Frame], rate: int) -> None:
    height, width = (side - side % 2 for side in frames[0].shape[:2])
    even = [frame[:height, :width] for frame in frames]  # H.264 stores colour for 2×2 pixels
    write_mp4(folder / "film.mp4", even, rate)
    write_gif(folder / "film.gif", even, rate)
    (folder / "stills").mkdir()
    for index, frame in enumerate(frames):
        write_png(folder / "stills" / f"frame_{index:03}.png", frame / np.float32(255))


def _written(shape: tuple[int, ...]) -> str:
    return "×".join(str(size) for size in shape[:2])

"""`bench edit neural-rerenderer`: views whose semantic colours were exchanged (spec §8)."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from bench.api import Source
from bench.errors import ConfigError, DataError
from bench.graphics.image_files import write_png
from bench.graphics.semantic_colours import SEMANTIC_COLOURS, UNLABELLED, Colour
from bench.training.devices import device_named
from bench.training.folders import written_whole

from .encoding import LABELLED, Float32, Floating
from .grids import grid, shown
from .rerender import Rerenderer
from .views import View, chosen, spread

COLOURS: Mapping[str, Colour] = {**SEMANTIC_COLOURS, "unlabelled": UNLABELLED}
"""Class → RGB, 8-bit, of all that can be exchanged."""

_PLACES = np.array([65536, 256, 1])
"""What makes one number of a colour."""


class Change(NamedTuple):
    """Pixels of the class `old` become the class `new`."""

    old: str
    new: str


def edit(
    *,
    dataset: Source,
    split: str,
    checkpoint: Path | None,
    out: Path,
    views: str | None,
    limit: int,
    appearance: str | None,
    replace: str,
    device: str,
) -> None:
    """Write for each view its labels and its rendering, before and after, side by side.

    Views in which nothing changes are left out.

    Args:
        views: names with commas between; default: `limit` of the split (0: all).
        appearance: name of the view whose photo's look all take; default: each its own.
        replace: "person=road", several with commas between; of the classes of
            `bench.graphics.semantic_colours`.

    Raises:
        ConfigError: an unknown class or view.
        DataError: framebuffers or weights without labels, or no view shows what is to be replaced.
        UnavailableError: no weights, or another device than is here.
    """
    changes = parsed(replace)
    rerenderer = Rerenderer.from_file(checkpoint, device_named(device))
    if rerenderer.channels != LABELLED:
        raise DataError(
            "these weights see no semantic colours (framebuffers of 4 channels): train on a data "
            "set with segmented photos, whose framebuffers have 7"
        )
    look = chosen(dataset, split, appearance, 1)[0] if appearance else None
    asked = chosen(dataset, split, views, 0) if views else spread(dataset, split, limit)
    told, seen = [], set[str]()
    with written_whole(out) as folder:
        for view in tqdm(asked, "views", leave=False, disable=None):
            edited = recoloured(view.framebuffer, changes)
            share = float((edited != view.framebuffer).any(axis=-1).mean())
            if not share:
                seen |= classes(view.framebuffer)
                continue
            name = f"{view.name.replace('/', '-')}.png"
            write_png(folder / name, _strip(rerenderer, view, edited, look or view))
            told.append(f"{out / name}: {share:.1%} of the pixels have another label")
    if not told:
        wanted = " or ".join(change.old for change in changes)
        raise DataError(
            f"{dataset.name}:{split}: none of these views shows {wanted}; they show "
            f"{', '.join(sorted(seen))}; --limit 0 looks at all of the split"
        )
    print("\n".join(told))


def parsed(text: str) -> list[Change]:
    """ "person=road,tree=sky" as changes.

    Raises:
        ConfigError: another form, or an unknown class.
    """
    changes = []
    for part in text.split(","):
        names = [name.strip() for name in part.split("=")]
        if len(names) != 2:
            raise ConfigError(f"--replace {part!r}: write OLD=NEW, such as person=road")
        changes.append(Change(*(_known(name) for name in names)))
    return changes


def recoloured(framebuffer: Floating, changes: Sequence[Change]) -> Floating:
    """A framebuffer H×W×7 whose labels are exchanged; all changes apply to the labels as given.

    Raises:
        DataError: it has no labels.
    """
    if framebuffer.shape[-1] != LABELLED:
        raise DataError(
            f"a framebuffer of {framebuffer.shape[-1]} channels has no semantic colours to "
            "exchange; segment the photos with `bench prepare aligned`"
        )
    edited, labels = framebuffer.copy(), _labels(framebuffer)
    for change in changes:
        there = (labels == np.array(COLOURS[change.old])).all(axis=-1)  # H×W
        edited[there, 4:] = np.array(COLOURS[change.new], edited.dtype) / 255
    return edited


def classes(framebuffer: Floating) -> set[str]:
    """What a framebuffer H×W×7 shows by its labels; classes of one colour are all named."""
    found = np.unique(_labels(framebuffer) @ _PLACES)
    return {name for name, colour in COLOURS.items() if np.array(colour) @ _PLACES in found}


def _labels(framebuffer: Floating) -> NDArray[np.int64]:
    """Semantic colours H×W×3, 8-bit."""
    return np.rint(255 * framebuffer[..., 4:7]).astype(np.int64)


def _known(name: str) -> str:
    if name in COLOURS:
        return name
    close = difflib.get_close_matches(name, COLOURS, n=1)
    hint = f"did you mean {close[0]!r}?" if close else f"there are {', '.join(sorted(COLOURS))}"
    raise ConfigError(f"--replace: no class {name!r}; {hint}")


def _strip(rerenderer: Rerenderer, view: View, edited: Floating, look: View) -> Float32:
    """Labels and rendering above, the same after the change below; H×W×3, sRGB-encoded."""
    both = [view.framebuffer, edited]
    codes = rerenderer.codes([look.appearance(rerenderer)]).expand(2, -1)  # 2×8
    pictures = rerenderer.render([rerenderer.condition(each) for each in both], codes)
    return grid(
        [[each[..., 4:7], shown(picture)] for each, picture in zip(both, pictures, strict=True)]
    )

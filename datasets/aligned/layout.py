"""The official layout of aligned folders, and what is in one; no picture is opened here.

<name>/manifest.json                  what `bench prepare aligned` made, and from what
<name>/<split>/%04d_reference.png     photo, RGB, 8 bits; missing where a camera path shows no photo
<name>/<split>/%04d_color.png         render of the points, RGBA, 8 bits; (0, 0, 0, 0) where empty
<name>/<split>/%04d_depth.png         its coded depth, one channel; 0 where empty
<name>/<split>/%04d_seg_rgb.png       semantic colours, RGB, 8 bits; or
<name>/<split>/%04d_seg.png           classes, from which they are made
<name>/<split>/sparse_renders/        samples that show too few points

Source: specs/neural_rerendering.md §2.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.errors import DataError

REFERENCE, COLOUR, DEPTH = "reference", "color", "depth"
SEMANTICS, CLASSES = "seg_rgb", "seg"

MANIFEST, UNFINISHED = "manifest.json", "unfinished.json"
SPARSE = "sparse_renders"
FORMAT = 1

TRAIN, VAL = "train", "val"

SMALLEST = 64
"""Fewest pixels per side: the networks halve six times."""

ADVICE = "`bench prepare aligned` makes such folders; set the option root to one, or above it"


@dataclass(frozen=True)
class Place:
    """Where the pictures of one sample lie: `folder`/`id`_*.png."""

    folder: Path
    id: str

    def file(self, item: str) -> Path:
        """The file of `REFERENCE`, `COLOUR`, `DEPTH`, `SEMANTICS` or `CLASSES`."""
        return self.folder / f"{self.id}_{item}.png"


def data_sets(root: Path) -> dict[str, Path]:
    """Name → folder: `root` itself where its folders hold renders, or else the folders in it.

    Raises:
        DataError: no such folder, no data set in it, or one that was not prepared to its end.
    """
    if not root.is_dir():
        raise DataError(f"{root}: no such folder; {ADVICE}")
    inner = sorted(path for path in root.iterdir() if path.is_dir())
    found = [path for path in (root, *inner) if next(path.glob(f"*/*_{COLOUR}.png"), None)]
    if not found:
        raise DataError(f"{root}: holds no <split>/*_{COLOUR}.png; {ADVICE}")
    found = found[:1] if found[0] == root else found
    for folder in found:
        if (folder / UNFINISHED).exists():
            raise DataError(
                f"{folder}: is not prepared to its end; run the same `bench prepare` again"
            )
    return {folder.name: folder for folder in found}


def splits(data_set: Path) -> list[str]:
    """The folders of a data set that hold renders."""
    folders = (path for path in data_set.iterdir() if path.is_dir())
    return sorted(path.name for path in folders if next(path.glob(f"*_{COLOUR}.png"), None))


def places(folder: Path) -> list[Place]:
    """The samples of one split's folder, by name."""
    return [Place(folder, name) for name in _ids(folder, COLOUR)]


def has_semantics(folder: Path) -> bool:
    """Whether the samples of one split's folder have semantic colours or classes.

    Raises:
        DataError: where some have and others have not, for channels cannot differ within a split.
    """
    renders = set(_ids(folder, COLOUR))
    segmented = renders & {*_ids(folder, SEMANTICS), *_ids(folder, CLASSES)}
    if segmented and segmented != renders:
        lacking = sorted(renders - segmented)
        raise DataError(
            f"{folder}: {len(lacking)} of {len(renders)} samples have no semantic colours "
            f"({lacking[0]}_{SEMANTICS}.png is the first that is missing); add them, or remove all"
        )
    return bool(segmented)


def read_manifest(data_set: Path) -> Mapping[str, Any] | None:
    """What `bench prepare aligned` noted of a data set; None where it did not make it.

    Raises:
        DataError: naming the file, where it is corrupt or of another format.
    """
    path = data_set / MANIFEST
    return read_json(path) if path.exists() else None


def read_json(path: Path) -> dict[str, Any]:
    """A JSON object of our format. Raises `DataError` naming the file."""
    try:
        content = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        raise DataError(f"{path}: truncated or corrupt JSON: {error}") from error
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise DataError(f"{path}: is not of format {FORMAT}; prepare the folder again")
    return content


def _ids(folder: Path, item: str) -> list[str]:
    end = f"_{item}.png"
    return sorted(path.name.removesuffix(end) for path in folder.glob(f"*{end}"))

"""The official layout of both data sets, and what is missing from a folder that should be in it.

<root>/image_mask/<split>/images/<name>      <root>/image_mask/<split>/masks/<name>
<root>/rendering/<split>/<id>/<id>_<item>    of rendered vases: <item> of `MAPS` and `NUMBERS`

Sources: specs/vase_derenderer.md §5.4, §6; specs/datasets.md §3. Images may lie in folders under
images/, with the masks under the same folders.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from bench.errors import DataError

MET, SYNTHETIC = "met_vases", "syn_vases"
"""The archives, and the folders they unpack to."""

SPLITS = ("train", "val", "test")

SUFFIXES = (".jpg", ".jpeg", ".png", ".ppm", ".bmp", ".pgm", ".tif", ".tiff", ".webp")

IMAGE, MASK = "im_rendered", "mask_rendered"
"""What tells a rendered image from its mask in their file names."""

MAPS = (
    IMAGE,
    MASK,
    "depth_rendered",
    "normal_map",
    "normal_rendered",
    "albedo_map",
    "albedo_rendered",
    "texture_map",
    "diffuse_map",
    "diffuse_rendered",
    "specular_map",
    "specular_rendered",
    "env_map",
)
"""Items of a rendered vase that are 8-bit PNGs of three channels."""

NUMBERS = (
    "sor_curve",
    "pitch",
    "sg_lights",
    "ambient",
    "spec_albedo",
    "spec_alpha",
    "env_map_ambient",
)
"""Items of a rendered vase that are text."""


class Pair(NamedTuple):
    """The files of one image and its mask."""

    image: Path
    mask: Path


def item_file(root: Path, split: str, name: str, item: str) -> Path:
    """Where one item of a rendered vase lies."""
    suffix = "png" if item in MAPS else "txt"
    return root / "rendering" / split / name / f"{name}_{item}.{suffix}"


def pair_files(root: Path, split: str, name: str) -> Pair:
    """Where the image and mask of a rendered vase lie, for training and as the method's input."""
    folder = root / "image_mask" / split
    return Pair(folder / "images" / f"{name}_{IMAGE}.png", folder / "masks" / f"{name}_{MASK}.png")


def found_root(root: Path, name: str) -> Path:
    """`root`, or the folder `name` in it where that is what holds the data."""
    inner = root / name
    return inner if not (root / "image_mask").is_dir() and inner.is_dir() else root


def pairs(root: Path, split: str, advice: str, rendered: bool = False) -> dict[str, Pair]:
    """Scene → image and mask of a split, by name; nothing is opened.

    A scene is called by its image's path under images/ without suffix, folders joined by `__`.

    Args:
        rendered: take the images named im_rendered alone, and their masks mask_rendered.
        advice: where the data is to be had, for messages.

    Raises:
        DataError: no such split, no image in it, or masks missing: all of them are named.
    """
    folder = root / "image_mask" / split / "images"
    if not folder.is_dir():
        here = sorted(path.parent.name for path in root.glob("image_mask/*/images"))
        raise DataError(
            f"{folder}: no such folder; {root} has {', '.join(here) or 'no split'}; {advice}"
        )
    found: dict[str, Pair] = {}
    for image in sorted(path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES):
        if rendered and IMAGE not in image.name:
            continue
        scene = "__".join(image.relative_to(folder).with_suffix("").parts)
        scene = scene.replace(f"_{IMAGE}", "") if rendered else scene
        if scene in found:
            raise DataError(f"{image}: {found[scene].image} has the same name; rename one of them")
        found[scene] = Pair(image, _mask(image, folder, rendered))
    if not found:
        raise DataError(f"{folder}: holds no image; {advice}")
    _refuse_missing((pair.mask for pair in found.values()), "masks", len(found), advice)
    return found


def items(root: Path, split: str, name: str, wanted: Iterable[str], advice: str) -> dict[str, Path]:
    """Item → file of a rendered vase. Raises `DataError` naming all that are missing at once."""
    files = {item: item_file(root, split, name, item) for item in wanted}
    _refuse_missing(files.values(), "files of the truth", len(files), advice)
    return files


def listed(problems: Sequence[str]) -> str:
    """Every problem on a line of its own, for all are to be mended at once."""
    return "\n  ".join(problems)


def _mask(image: Path, images: Path, rendered: bool) -> Path:
    inner = image.relative_to(images)
    name = inner.name.replace(IMAGE, MASK) if rendered else inner.name
    return images.parent / "masks" / inner.with_name(name)


def _refuse_missing(paths: Iterable[Path], what: str, total: int, advice: str) -> None:
    missing = [str(path) for path in paths if not path.is_file()]
    if missing:
        raise DataError(
            f"{len(missing)} of {total} {what} are missing; {advice}:\n  {listed(missing)}"
        )

"""Albedo textures: a source picture, and the random crop and colours it is given (spec §6).

A source is a file of the user's or a procedural picture (`patterns`). Random numbers come from the
generator that is passed in, so that samples can be drawn in any order and on any thread.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import PIL.Image
import torch
from torch import Tensor
from torchvision.transforms import functional

from bench.datasets.sord.layout import SPLITS
from bench.errors import ConfigError, DataError
from bench.graphics import phong

HEIGHT, HALF_WIDTH = 256, 384
"""Texels of the front half; the other half of the turn is its mirror image."""

COLOUR_MAPS = "*Color.jpg"
"""How CC0 texture collections name the colour among a material's maps."""

_SUFFIXES = (".jpg", ".jpeg", ".png")
_AREA, _ASPECT = (0.04, 1.0), (3 / 4, 4 / 3)
_TRIES = 10


@dataclass(frozen=True)
class Source:
    """A picture to be: its name, as it stands in the folders of the samples, and how it is made."""

    name: str
    picture: Callable[[], PIL.Image.Image]


def files(folder: Path) -> list[Path]:
    """The colour maps in a folder and the folders in it; all its pictures where none is so named.

    Raises:
        ConfigError: no such folder, or fewer pictures than there are splits.
    """
    if not folder.is_dir():
        raise ConfigError(f"--textures {folder}: no such folder")
    found = sorted(path for path in folder.rglob(COLOUR_MAPS) if path.is_file()) or sorted(
        path for path in folder.rglob("*") if path.suffix.lower() in _SUFFIXES and path.is_file()
    )
    if len(found) < len(SPLITS):
        raise ConfigError(
            f"--textures {folder}: holds {len(found)} pictures ({COLOUR_MAPS}, or else any of "
            f"{' '.join(_SUFFIXES)}), and train, val and test need one each at least"
        )
    return found


def share(paths: Sequence[Path], split: str) -> list[Path]:
    """The pictures of one split: a tenth for test, a tenth for val, the rest for train.

    Decided by a hash of each name alone, so that no seed lets two splits share a picture.
    """
    shuffled = sorted(paths, key=lambda path: (hashlib.sha256(_name(path).encode()).digest(), path))
    tenth = max(1, len(paths) // 10)
    parts = {"test": shuffled[:tenth], "val": shuffled[tenth : 2 * tenth]}
    return sorted(parts.get(split, shuffled[2 * tenth :]))


def from_file(path: Path) -> Source:
    """A picture of the user's, named by its folder where that holds the maps of one material."""

    def picture() -> PIL.Image.Image:
        try:
            with PIL.Image.open(path) as image:
                return image.convert("RGB")
        except (OSError, SyntaxError, ValueError, PIL.Image.DecompressionBombError) as error:
            raise DataError(f"{path}: truncated or corrupt texture: {error}") from error

    return Source(_name(path), picture)


def albedo(source: PIL.Image.Image, rng: np.random.Generator) -> Tensor:
    """The linear albedo 3×256×768 of one vase in [0, 1]: cropped, coloured, decoded, mirrored."""
    front = coloured(cropped(source, rng), rng)
    encoded = torch.from_numpy(np.array(front)).movedim(-1, 0).float() / 255  # 3×256×384
    linear = phong.decode(encoded)
    return torch.cat([linear, linear.flip(-1)], -1)  # 3×256×768


def cropped(source: PIL.Image.Image, rng: np.random.Generator) -> PIL.Image.Image:
    """A random part of 4 to 100 % of the area, of aspect 3/4 to 4/3, resized to 384×256.

    Where ten draws do not fit the picture, its largest middle part of such an aspect.
    """
    width, height = source.size
    for _ in range(_TRIES):
        area = width * height * rng.uniform(*_AREA)
        aspect = np.exp(rng.uniform(*np.log(_ASPECT)))
        wide, high = round(float(np.sqrt(area * aspect))), round(float(np.sqrt(area / aspect)))
        if 0 < wide <= width and 0 < high <= height:
            left = int(rng.integers(width - wide + 1))
            top = int(rng.integers(height - high + 1))
            return _resized(source, left, top, wide, high)
    wide = min(width, round(height * _ASPECT[1]))
    high = min(height, round(width / _ASPECT[0]))
    return _resized(source, (width - wide) // 2, (height - high) // 2, wide, high)


def coloured(picture: PIL.Image.Image, rng: np.random.Generator) -> PIL.Image.Image:
    """Brightness times 1 to 1.5, contrast times 1 to 2, hue turned at random, in random order."""
    brightness, contrast, hue = rng.uniform(1, 1.5), rng.uniform(1, 2), rng.uniform(-0.5, 0.5)
    steps: list[Callable[[PIL.Image.Image], PIL.Image.Image]] = [
        lambda image: functional.adjust_brightness(image, brightness),
        lambda image: functional.adjust_contrast(image, contrast),
        lambda image: functional.adjust_hue(image, hue),
    ]
    for step in rng.permutation(len(steps)):
        picture = steps[step](picture)
    return picture


def _resized(
    source: PIL.Image.Image, left: int, top: int, width: int, height: int
) -> PIL.Image.Image:
    box = (left, top, left + width, top + height)
    return source.resize((HALF_WIDTH, HEIGHT), PIL.Image.Resampling.BILINEAR, box=box)


def _name(path: Path) -> str:
    """A colour map is called after its folder, which collections name by the material."""
    name = path.parent.name if path.match(COLOUR_MAPS) else path.stem
    # `_` separates the parts of a sample's name.
    return "".join(letter if letter.isalnum() else "-" for letter in name) or "texture"

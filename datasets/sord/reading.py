"""Stored files → values: 8-bit pictures that were cut down, averaged over white, and text.

The generator stores floor(255·v), so that a stored k stands for values from k/255 to (k+1)/255;
`stored` takes their middle, and 0 and 1 where a value was clipped. `own` undoes the average of
object and white background at soft edges (spec §4.1).
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import PIL.Image
from numpy.typing import NDArray

from bench.errors import DataError
from bench.graphics.image_files import read_image

Float32 = NDArray[np.float32]

_READ_ELSEWHERE = (".png", ".jpg", ".jpeg")


def read_colour(path: Path) -> Float32:
    """H×W×3 in [0, 1] as stored: grey is repeated, alpha left away. Raises `DataError`."""
    image = _read(path)
    colour = image[..., :3] if image.shape[-1] > 2 else np.repeat(image[..., :1], 3, axis=-1)
    return np.ascontiguousarray(colour)


def read_mask(path: Path, size: tuple[int, ...]) -> Float32:
    """The first channel H×W×1 in [0, 1]. Raises `DataError`, also for another size."""
    mask = np.ascontiguousarray(_read(path)[..., :1])
    if mask.shape[:2] != size:
        found, wanted = ("×".join(map(str, shape)) for shape in (mask.shape[:2], size))
        raise DataError(f"{path}: {found} pixels, and its image has {wanted}")
    return mask


def stored(path: Path, size: tuple[int, int]) -> Float32:
    """A picture H×W×3 of the generator's, in [0, 1]. Raises `DataError`, also for another size."""
    image = read_colour(path)
    if image.shape[:2] != size:
        found, wanted = ("×".join(map(str, shape)) for shape in (image.shape[:2], size))
        raise DataError(f"{path}: {found} pixels instead of {wanted}")
    inside = (image > 0) & (image < 1)
    return np.where(inside, image + np.float32(0.5 / 255), image).astype(np.float32)


def own(picture: Float32, mask: Float32) -> Float32:
    """What the object shows in a picture H×W×C on white, where the mask H×W×1 is not 0; 0 outside.

    The mask is the object's share of each pixel.
    """
    known = mask > 0
    colour = (picture - (1 - mask)) / np.where(known, mask, 1)
    return np.where(known, colour.clip(0, 1), 0).astype(np.float32)


def numbers(path: Path, shape: tuple[int, ...]) -> NDArray[np.float64]:
    """The numbers of a text file, separated by commas or blanks. Raises `DataError`."""
    try:
        found = np.array(path.read_text(encoding="ascii").replace(",", " ").split(), np.float64)
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise DataError(f"{path}: not a table of numbers: {error}") from error
    if found.size != np.prod(shape, dtype=int) or not np.isfinite(found).all():
        raise DataError(f"{path}: {found.size} numbers instead of {shape} finite ones")
    table: NDArray[np.float64] = found.reshape(shape)
    return table


def _read(path: Path) -> Float32:
    """H×W×C as stored, in [0, 1]."""
    if path.suffix.lower() in _READ_ELSEWHERE:
        return read_image(path)
    try:
        with PIL.Image.open(path) as image:
            if image.mode.startswith(("I", "F")):
                raise DataError(f"{path}: more than 8 bits per channel; save it as .png")
            pixels: Float32 = np.asarray(image.convert("RGB"), np.float32) / np.float32(255)
            return pixels
    except (OSError, SyntaxError, ValueError, PIL.Image.DecompressionBombError) as error:
        raise DataError(f"{path}: truncated or corrupt image: {error}") from error

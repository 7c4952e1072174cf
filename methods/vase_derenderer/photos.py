"""Photos as people have them: any size, orientation, depth and transparency."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import PIL.ImageOps
from numpy.typing import NDArray

from bench.errors import DataError
from bench.graphics.colour import srgb_decode
from bench.graphics.image_files import LINEAR_SUFFIXES, read_image

# What Pillow decodes by itself; for other formats it would start programs.
_FORMATS = ("PNG", "JPEG", "WEBP", "TIFF", "BMP", "PPM", "GIF")
_LONGEST = 2048
_ERRORS = (OSError, SyntaxError, ValueError, PIL.Image.DecompressionBombError)


def read_photo(path: Path) -> NDArray[np.float32]:
    """A photo, linear, H×W×3, turned upright by its orientation tag, at most 2048 pixels long.

    Integer files count as sRGB. Transparency lies over white, grey becomes three channels, 16 bits
    are scaled.

    Raises:
        DataError: missing, truncated or corrupt file, another format, or not finite.
    """
    if not path.is_file():
        raise DataError(f"{path}: no such image file")
    if path.suffix.lower() in LINEAR_SUFFIXES:
        return _over_white(path, read_image(path))
    try:
        with PIL.Image.open(path, formats=_FORMATS) as stored:
            picture = _eight_bits(PIL.ImageOps.exif_transpose(stored)).convert("RGBA")
    except _ERRORS as error:
        raise DataError(
            f"{path}: truncated, corrupt or none of the formats "
            f"{', '.join((*_FORMATS, 'EXR', 'HDR'))}: {error}"
        ) from error
    white = PIL.Image.new("RGBA", picture.size, "white")
    opaque = PIL.Image.alpha_composite(white, picture).convert("RGB")
    opaque.thumbnail((_LONGEST, _LONGEST), PIL.Image.Resampling.LANCZOS)
    return srgb_decode(np.asarray(opaque, np.float32) / 255).astype(np.float32)


def _eight_bits(picture: PIL.Image.Image) -> PIL.Image.Image:
    if picture.mode == "F":
        raise ValueError("it holds floating-point numbers; store it as .exr")
    if not picture.mode.startswith("I"):
        return picture
    values: NDArray[Any] = np.asarray(picture, np.float64) / 257  # of 16 bits
    return PIL.Image.fromarray(np.rint(values.clip(0, 255)).astype(np.uint8))


def _over_white(path: Path, image: NDArray[np.float32]) -> NDArray[np.float32]:
    if not np.isfinite(image).all():
        raise DataError(f"{path}: holds NaN or infinity")
    colours = image[..., :3] if image.shape[2] >= 3 else image[..., :1].repeat(3, -1)  # H×W×3
    if image.shape[2] != 4:
        return colours
    alpha = image[..., 3:]  # H×W×1
    return colours * alpha + (1 - alpha)

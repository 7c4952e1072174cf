"""Image files: .png (8 and 16 bit), .jpg, .exr and .hdr, as H×W×C float32 with row 0 at the top.

A file that is missing, truncated or corrupt raises DataError with its name and the cause; no
half-read pixels are ever returned. NaN and infinity pass unchanged through .exr, the only format
that holds them.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import cv2
import numpy as np
import OpenEXR
import PIL.Image
from numpy.typing import NDArray

from bench.errors import DataError
from bench.graphics.colour import srgb_decode

Float32 = NDArray[np.float32]
Stored = NDArray[Any]

LINEAR_SUFFIXES = (".exr", ".hdr")
_CHANNELS = {1: "Y", 3: "RGB", 4: "RGBA"}


def read_image(path: Path) -> Float32:
    """The stored values H×W×C float32, C = 1, 3 or 4 (RGB order, alpha last).

    Integer files are scaled to [0, 1], still encoded; .exr and .hdr come as they are. Orientation
    tags are not applied.

    Raises:
        DataError: missing, truncated or corrupt file, unknown suffix, unusual channels.
    """
    reader = _READERS.get(path.suffix.lower())
    if reader is None:
        raise DataError(f"{path}: not one of the image formats {', '.join(_READERS)}")
    if not path.is_file():
        raise DataError(f"{path}: no such image file")
    try:
        stored = reader(path)
    except _DECODING_ERRORS as error:
        raise DataError(f"{path}: truncated or corrupt {path.suffix[1:]} file: {error}") from error
    stored = stored.reshape(*stored.shape[:2], -1)  # H×W×C
    if stored.dtype.kind == "u":
        return np.divide(stored, np.iinfo(stored.dtype).max, dtype=np.float32)
    return stored.astype(np.float32, copy=False)


def read_linear(path: Path) -> Float32:
    """`read_image` with the sRGB curve undone for integer files; alpha stays as it is."""
    image = read_image(path)
    if path.suffix.lower() in LINEAR_SUFFIXES:
        return image
    colours = 3 if image.shape[2] >= 3 else 1
    linear = srgb_decode(image[..., :colours])
    return np.concatenate([linear, image[..., colours:]], axis=-1, dtype=np.float32)


def write_png(path: Path, image: NDArray[np.floating[Any]], bits: Literal[8, 16] = 8) -> None:
    """Encoded values H×W×C (C = 1, 3 or 4) as a PNG: clipped to [0, 1], rounded to nearest.

    Raises:
        ValueError: NaN, which no integer stands for, or another shape.
        OSError: the file cannot be written.
    """
    _check_channels(image)
    if np.isnan(image).any():
        raise ValueError(f"{path}: a PNG cannot hold NaN")
    top = 2**bits - 1
    stored = np.rint(np.clip(image, 0, 1) * top).astype(np.uint8 if bits == 8 else np.uint16)
    _, encoded = cv2.imencode(".png", _swap_red_and_blue(stored))
    path.write_bytes(encoded.tobytes())


def write_exr(path: Path, image: NDArray[np.floating[Any]], half: bool = False) -> None:
    """Linear values H×W×C (C = 1, 3 or 4) as a ZIP-compressed EXR of 32-bit floats, or halves.

    Raises:
        ValueError: another shape, or a finite value beyond a half's 65504.
        OSError: the file cannot be written.
    """
    _check_channels(image)
    with np.errstate(over="ignore"):  # reported below, with the file's name
        stored = np.ascontiguousarray(image, np.float16 if half else np.float32)
    if half and np.isinf(stored).sum() != np.isinf(image).sum():
        raise ValueError(f"{path}: values beyond 65504 do not fit half floats")
    header = {"compression": OpenEXR.ZIP_COMPRESSION, "type": OpenEXR.scanlineimage}
    channels = {_CHANNELS[image.shape[2]]: stored[..., 0] if image.shape[2] == 1 else stored}
    try:
        OpenEXR.File(header, channels).write(str(path))
    except RuntimeError as error:
        raise OSError(f"{path}: {error}") from error


def _read_exr(path: Path) -> Stored:
    channels = OpenEXR.File(str(path)).channels()
    if len(channels) != 1:
        raise DataError(f"{path}: expected one layer of Y, RGB or RGBA, found {sorted(channels)}")
    (layer,) = channels.values()
    return np.asarray(layer.pixels, np.float32)


def _read_with_opencv(path: Path) -> Stored:
    # OpenCV goes by content: a JPEG under another name would come back half read.
    signature = _SIGNATURES[path.suffix.lower()]
    with path.open("rb") as file:
        if file.read(len(signature)) != signature:
            raise OSError(f"it does not begin with {signature!r}")
    stored = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    if stored is None:
        raise OSError("the decoder could not read all of it")
    return _swap_red_and_blue(stored)


def _read_jpeg(path: Path) -> Stored:
    # OpenCV fills the missing part of a truncated JPEG with grey and only prints a warning.
    with PIL.Image.open(path) as image:
        if image.mode not in ("L", "RGB"):
            raise DataError(f"{path}: {image.mode} JPEG; convert it to RGB or grey")
        return np.asarray(image)


def _swap_red_and_blue(stored: Stored) -> Stored:
    if stored.ndim == 2 or stored.shape[2] == 1:
        return stored
    order = [2, 1, 0, 3] if stored.shape[2] == 4 else [2, 1, 0]
    return np.ascontiguousarray(stored[..., order])


def _check_channels(image: Stored) -> None:
    if image.ndim != 3 or image.shape[2] not in _CHANNELS:
        raise ValueError(f"an image file holds H×W×1, ×3 or ×4, not {image.shape}")


# OpenEXR reports a truncated file as RuntimeError, or as ValueError once its parts were dropped.
_DECODING_ERRORS = (
    OSError,
    SyntaxError,
    RuntimeError,
    ValueError,
    cv2.error,
    PIL.Image.DecompressionBombError,
)

_SIGNATURES = {".png": b"\x89PNG\r\n\x1a\n", ".hdr": b"#?"}

_READERS: dict[str, Callable[[Path], Stored]] = {
    ".png": _read_with_opencv,
    ".jpg": _read_jpeg,
    ".jpeg": _read_jpeg,
    ".exr": _read_exr,
    ".hdr": _read_with_opencv,
}

"""Stored maps → arrays at benchmark size.

The files have 2048² pixels, the benchmark 512: as the official scorer does, what is stored is
averaged over the area of each new pixel, encoded values before they are decoded (specs/metrics.md
§2.2, §7.2).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TypeVar, cast

import numpy as np
from numpy.typing import NDArray

from bench.errors import DataError, InvalidValueError
from bench.graphics.colour import srgb_decode
from bench.graphics.image_files import LINEAR_SUFFIXES
from bench.graphics.map_files import read_map
from bench.graphics.normals import normalise
from bench.graphics.value_files import find_value, read_value
from bench.protocol.apply import resize
from bench.quantities import Mesh, Value, validate

Float32 = NDArray[np.float32]
Kept = TypeVar("Kept", bound=Value)


class OnDemand(Mapping[str, Value]):
    """Quantity → value, each read when it is first asked for: a capture has 3 GB of photos."""

    def __init__(self, readers: Mapping[str, Callable[[], Value]]) -> None:
        self._readers = readers
        self._read: dict[str, Value] = {}

    def __getitem__(self, name: str) -> Value:
        if name not in self._read:
            self._read[name] = self._readers[name]()
        return self._read[name]

    def __contains__(self, name: object) -> bool:
        return name in self._readers

    def __iter__(self) -> Iterator[str]:
        return iter(self._readers)

    def __len__(self) -> int:
        return len(self._readers)


def checked(path: Path, quantity: str, value: Kept) -> Kept:
    """The value itself. Raises `DataError` naming the file where it breaks its contract."""
    try:
        validate(quantity, value)
    except InvalidValueError as error:
        raise DataError(f"{path}: {error}") from error
    return value


def read_photo(path: Path, size: int) -> Float32:
    """A photo S×S×3, linear. Raises `DataError`."""
    return checked(path, "image", _colour(path, read_map(path, 3), size))


def read_mask(path: Path, size: int) -> Float32:
    """A soft mask S×S×1 in [0, 1]. Raises `DataError`."""
    return checked(path, "mask", _at_size(path, read_map(path, 1), size))


def read_normal(path: Path, size: int) -> Float32:
    """Normals S×S×3, camera frame (which is their own OpenGL frame), unit or zero outside.

    Raises:
        DataError: naming the file.
    """
    stored = cast(Float32, read_value(path, "normal"))
    return checked(path, "normal", normalise(_at_size(path, stored, size)))


def read_depth(path: Path, size: int) -> Float32:
    """Depth S×S×1 in scene units, 0 outside, towards which the outermost pixels are averaged.

    Raises:
        DataError: naming the file.
    """
    stored = cast(Float32, read_value(path, "depth"))
    return checked(path, "depth", _at_size(path, stored, size))


def read_albedo(folder: Path, name: str, size: int) -> Float32:
    """Pseudo albedo S×S×3, linear, of an sRGB .png or a linear .npy. Raises `DataError`."""
    path = find_value(folder, "albedo", name)
    if path is None:
        raise DataError(f"{folder / name}.png: no such file; the archive ground_truth holds it")
    stored = read_map(path, 3) if path.suffix == ".png" else read_value(path, "albedo")
    return checked(path, "albedo", _colour(path, cast(Float32, stored), size))


def read_shape(path: Path) -> Mesh:
    """The scanned mesh in the capture's world. Raises `DataError`."""
    return checked(path, "mesh", cast(Mesh, read_value(path, "mesh")))


def _colour(path: Path, stored: Float32, size: int) -> Float32:
    small = _at_size(path, stored, size)
    if path.suffix in (*LINEAR_SUFFIXES, ".npy"):
        return small
    return srgb_decode(small).astype(np.float32, copy=False)


def _at_size(path: Path, stored: Float32, size: int) -> Float32:
    """H×W×C → S×S×C by area. Raises `DataError` where it would have to be enlarged."""
    if stored.ndim != 3 or stored.shape[0] != stored.shape[1]:
        raise DataError(f"{path}: expected a square map, found {stored.shape}")
    if stored.shape[0] < size:
        raise DataError(
            f"{path}: has {stored.shape[0]}² pixels, fewer than the option size = {size}"
        )
    return cast(Float32, resize(stored, size, size, "area"))

"""Whether the files of a COLMAP model are whole, which pycolmap does not ask.

Given a file cut off, pycolmap reads on past its end: what it takes for numbers there is whatever
the memory held. So the records of a binary model are walked through beforehand, by the layout that
COLMAP documents (https://colmap.github.io/format.html), and the numbers of records that a text
model states in its comments are compared with those read.
"""

from __future__ import annotations

import mmap
import re
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import pycolmap

from bench.errors import DataError

_NAMES = ("cameras", "images", "points3D")
_STATED = re.compile(r"#\s*Number of \w+:\s*(\d+)")
_POSE = 7 * 8
"""Bytes of a quaternion and a translation."""


def kind_of(folder: Path) -> Literal["bin", "txt"]:
    """Whether the model is binary, whose files are found to be whole, or text.

    Raises:
        DataError: not all of cameras, images and points3D are there in one of the kinds, or a
            binary file is cut off or corrupt.
    """
    for kind in ("bin", "txt"):
        if all((folder / f"{name}.{kind}").is_file() for name in _NAMES):
            break
    else:
        raise DataError(
            f"{folder}: no COLMAP model; it holds {', '.join(_NAMES)} as .bin or .txt, often in "
            "a subfolder sparse/0"
        )
    if kind == "txt":
        return "txt"
    for name, length in _RECORDS.items():
        path = folder / f"{name}.bin"
        if path.is_file():  # rigs and frames came with COLMAP 3.12
            _walk(path, length)
    return "bin"


def check_stated(path: Path, read: int) -> None:
    """Raises DataError where a text file's comment states another number of records than `read`."""
    with path.open(encoding="utf-8", errors="replace") as file:
        for line in file:
            if not line.startswith("#"):
                return
            found = _STATED.match(line)
            if found and int(found[1]) != read:
                raise DataError(
                    f"{path}: states {found[1]} records and holds {read}: it was cut off (copy it "
                    "again) or edited (correct the comment)"
                )


def _walk(path: Path, length: Callable[[mmap.mmap, int], int]) -> None:
    try:
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            (count,) = struct.unpack_from("<Q", data)
            at = 8
            for _ in range(count):
                at += length(data, at)
                if at > len(data):
                    break
            size = len(data)
    except (struct.error, ValueError) as error:
        raise DataError(
            f"{path}: truncated or corrupt: {error}; copy it again, or export the model anew"
        ) from error
    if at != size:
        raise DataError(
            f"{path}: truncated or corrupt: {size} bytes, and its {count} records need "
            f"{'more' if at > size else at}; copy it again, or export the model anew"
        )


def _camera(data: mmap.mmap, at: int) -> int:
    (model,) = struct.unpack_from("<i", data, at + 4)
    camera = pycolmap.Camera.create_from_model_id(1, pycolmap.CameraModelId(model), 1.0, 1, 1)
    return 24 + 8 * len(camera.params)


def _image(data: mmap.mmap, at: int) -> int:
    end = data.find(b"\0", at + 8 + _POSE)  # of the name
    if end < 0:
        raise ValueError("the name of an image does not end")
    (points,) = struct.unpack_from("<Q", data, end + 1)
    return int(end + 9 - at + 24 * points)


def _point(data: mmap.mmap, at: int) -> int:
    (track,) = struct.unpack_from("<Q", data, at + 43)
    return int(51 + 8 * track)


def _rig(data: mmap.mmap, at: int) -> int:
    (sensors,) = struct.unpack_from("<I", data, at + 4)
    length = 8 + (8 if sensors else 0)
    for _ in range(1, sensors):
        (posed,) = struct.unpack_from("<B", data, at + length + 8)
        length += 9 + (_POSE if posed else 0)
    return length


def _frame(data: mmap.mmap, at: int) -> int:
    (sensors,) = struct.unpack_from("<I", data, at + 8 + _POSE)
    return int(12 + _POSE + 16 * sensors)


_RECORDS = {
    "cameras": _camera,
    "images": _image,
    "points3D": _point,
    "rigs": _rig,
    "frames": _frame,
}
"""The bytes of the record that begins at a place in a file."""

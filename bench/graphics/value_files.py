"""One value of one quantity in one file: the formats of stored predictions and of a user's folder.

| quantity                            | suffixes                                          |
|-------------------------------------|---------------------------------------------------|
| colour (image, albedo, relit …)     | .npy .exr .hdr linear; .png .jpg .jpeg sRGB       |
| normal                              | .npy .exr; .png holds (n + 1) / 2                 |
| mask, front, metallic, specular,    | .npy .exr; .png holds the value itself            |
| roughness                           |                                                   |
| depth                               | .npy .exr; no integer format                      |
| environment                         | .npy .exr .hdr, all linear                        |
| light_sh, framebuffer, pitch,       | .npy                                              |
| light_direction, light_intensity    |                                                   |
| judgements                          | .json                                             |
| camera                              | .json: intrinsics, camera_to_world, height, width |
| mesh                                | .ply .obj                                         |

An environment is in the world frame, or in the camera frame where `.camera` stands before the
suffix. A .npy holds floats or booleans, H×W standing for H×W×1. Reading checks that the file is
what its name says; whether the value keeps its quantity's contract is for `quantities.validate`.
"""

from __future__ import annotations

import io
import json
import operator
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from bench.errors import DataError
from bench.quantities import VOCABULARY, Camera, Environment, Mesh, Value, parts

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Float32 = NDArray[np.float32]

CAMERA_FRAME = ".camera"
"""Stands before the suffix of an environment that is in the camera frame."""

_COLOUR = (".npy", ".exr", ".hdr", ".png", ".jpg", ".jpeg")
_VECTOR = (".npy", ".exr", ".png")
_UNBOUNDED = (".npy", ".exr")
_PARTICULAR: Mapping[str, tuple[str, ...]] = {
    "camera": (".json",),
    "mesh": (".ply", ".obj"),
    "environment": (".npy", ".exr", ".hdr"),
    "depth": _UNBOUNDED,
    "light_sh": (".npy",),
    "framebuffer": (".npy",),
    "pitch": (".npy",),
    "light_direction": (".npy",),
    "light_intensity": (".npy",),
    "judgements": (".json",),
}
# Rounding n to 8 bits moves each component by up to 1/255, and the length by √3 times that.
_ROUNDING = 0.01


def suffixes(quantity: str) -> tuple[str, ...]:
    """The suffixes a file of this quantity may have. Raises KeyError for an unknown quantity."""
    known = VOCABULARY[quantity]
    return _PARTICULAR.get(quantity, _COLOUR if known.colour else _VECTOR)


def find_value(folder: Path, quantity: str, stem: str | None = None) -> Path | None:
    """The file in `folder` that holds `quantity`, None where there is none.

    Args:
        stem: the file's name without suffix; the quantity's own name unless given.

    Raises:
        DataError: two files claim to be it.
    """
    names = [quantity if stem is None else stem]
    if quantity == "environment":
        names.append(names[0] + CAMERA_FRAME)
    for spelling in (str.lower, str.upper):  # cameras write .JPG, some file systems ignore case
        paths = (folder / (name + spelling(end)) for name in names for end in suffixes(quantity))
        found = [path for path in paths if path.is_file()]
        if found:
            break
    if len(found) > 1:
        listed = ", ".join(path.name for path in found)
        raise DataError(f"{folder}: {listed} all claim to be the {quantity}; keep one of them")
    return found[0] if found else None


def read_value(path: Path, quantity: str) -> Value:
    """The value in a file: arrays float32 (of a camera float64), colour linear.

    Normals from a .png are brought to unit length where they miss it by no more than 8-bit
    rounding; black and mid-grey are unknown and become zero.

    Raises:
        DataError: missing, truncated or corrupt file, or one that cannot hold this quantity.
    """
    if path.suffix.lower() not in suffixes(quantity):
        accepted = ", ".join(suffixes(quantity))
        raise DataError(f"{path}: {quantity} cannot be read from {path.suffix}; use {accepted}")
    if quantity == "camera":
        return _read_camera(path)
    if quantity == "judgements":
        return _read_judgements(path)
    if quantity == "mesh":
        from bench.graphics.mesh_files import read_mesh

        return read_mesh(path)
    array = _read_npy(path) if path.suffix.lower() == ".npy" else _read_image(path, quantity)
    if array.ndim == 2 and len(VOCABULARY[quantity].shape) == 3:
        array = array[..., None]  # H×W×1
    if quantity == "environment":
        return Environment(array, "camera" if path.stem.endswith(CAMERA_FRAME) else "world")
    return array


def write_value(base: Path, quantity: str, value: Value) -> Path:
    """Write a value to `base` plus its suffix and return that path; the folder must exist.

    Arrays become .npy of float32, a camera .json, a mesh .ply.

    Raises:
        InvalidValueError: the value is of another type than its quantity.
        OSError: the file cannot be written; part of it may be there.
    """
    arrays = parts(quantity, value)
    if isinstance(value, Camera):
        return _write_camera(_extended(base, ".json"), value)
    if isinstance(value, Mapping):
        path = _extended(base, ".json")
        path.write_text(json.dumps(value), encoding="utf-8")
        return path
    if isinstance(value, Mesh):
        from bench.graphics.mesh_files import write_mesh

        write_mesh(_extended(base, ".ply"), value)
        return _extended(base, ".ply")
    if isinstance(value, Environment):
        frame = CAMERA_FRAME if value.frame == "camera" else ""
        return _write_npy(_extended(base, frame + ".npy"), arrays["radiance"])
    return _write_npy(_extended(base, ".npy"), arrays[""])


def _extended(base: Path, suffix: str) -> Path:
    return base.with_name(base.name + suffix)


def _write_npy(path: Path, array: NDArray[Any]) -> Path:
    # Straight to a file, np.save reports a full disk as an error without its cause.
    buffer = io.BytesIO()
    np.save(buffer, np.asarray(array, np.float32), allow_pickle=False)
    path.write_bytes(buffer.getbuffer())
    return path


def _read_npy(path: Path) -> Float32:
    try:
        with path.open("rb") as file:
            array = np.lib.format.read_array(file, allow_pickle=False)
    except Exception as error:  # its header is a Python literal, whose parser raises of its own
        raise DataError(f"{path}: truncated or corrupt .npy file: {error}") from error
    if array.dtype.kind not in "fb":
        raise DataError(f"{path}: holds {array.dtype}; store linear values as floats")
    with np.errstate(over="ignore"):  # what float32 cannot hold becomes ∞, which validation names
        return array.astype(np.float32, copy=False)


def _read_image(path: Path, quantity: str) -> Float32:
    from bench.graphics.image_files import LINEAR_SUFFIXES, read_image, read_linear

    colour = VOCABULARY[quantity].colour
    array = read_linear(path) if colour else read_image(path)  # H×W×C
    array = _with_channels(path, array, 3 if quantity in ("normal", "environment") or colour else 1)
    if quantity == "normal" and path.suffix.lower() not in LINEAR_SUFFIXES:
        return _decode_normals(array)
    return array


def _with_channels(path: Path, array: Float32, wanted: int) -> Float32:
    """Grey ↔ RGB where nothing is lost by it. Raises `DataError` otherwise."""
    channels = array.shape[2]
    if channels == wanted:
        return array
    if channels == 1:
        return np.repeat(array, wanted, axis=2)  # H×W×wanted
    if channels == 3 and np.ptp(array, axis=2).max() == 0:
        return array[..., :1]  # H×W×1
    hint = "; move its alpha into a mask file" if channels == 4 else ""
    raise DataError(f"{path}: has {channels} channels where {wanted} are expected{hint}")


def _decode_normals(stored: Float32) -> Float32:
    normals = stored * np.float32(2) - np.float32(1)
    length = np.linalg.norm(normals, axis=2, keepdims=True)  # H×W×1
    unknown = (length < _ROUNDING) | ~stored.any(axis=2, keepdims=True)
    rounded = ~unknown & (np.abs(length - 1) < _ROUNDING)
    return np.where(unknown, 0, normals / np.where(rounded, length, 1)).astype(np.float32)


def _read_judgements(path: Path) -> dict[str, Any]:
    try:
        body = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise DataError(f"{path}: not a JSON file: {error}") from error
    if not isinstance(body, dict):
        raise DataError(f"{path}: expected a JSON object of judgements")
    return body


def _write_camera(path: Path, camera: Camera) -> Path:
    body = {
        "intrinsics": np.asarray(camera.intrinsics).tolist(),
        "camera_to_world": np.asarray(camera.camera_to_world).tolist(),
        "height": int(camera.height),
        "width": int(camera.width),
    }
    path.write_text(json.dumps(body), encoding="utf-8")
    return path


def _read_camera(path: Path) -> Camera:
    fields: Mapping[str, Callable[[Any], Any]] = {
        "intrinsics": lambda rows: np.array(rows, np.float64),
        "camera_to_world": lambda rows: np.array(rows, np.float64),
        "height": operator.index,
        "width": operator.index,
    }
    try:
        body = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(body, dict) or body.keys() != fields.keys():
            raise ValueError(f"expected an object with exactly {', '.join(fields)}")
        return Camera(**{name: read(body[name]) for name, read in fields.items()})
    except (OSError, ValueError, TypeError, OverflowError, RecursionError) as error:
        raise DataError(f"{path}: not a camera file: {error}") from error

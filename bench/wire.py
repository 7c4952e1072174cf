"""Messages between processes: JSON with arrays beside it. Nothing received is ever executed."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from bench.api import Key, Query, Sample, Targets
from bench.quantities import Camera, Environment, Mesh

_TAGGED: Mapping[str, type] = {
    kind.__name__: kind for kind in (Camera, Environment, Mesh, Query, Sample, Targets, Key)
}
_LENGTH = struct.Struct("<QQ")
_ALIGNMENT = 16


class GarbledError(Exception):
    """What arrived is no message of this form."""


def encode(message: Any) -> list[bytes | memoryview]:
    """The chunks of one message: lengths, JSON, then each array's bytes.

    A message is built of dict, list, tuple, str, numbers, None, paths, arrays, and the
    contract's objects; tuples arrive as lists.

    Raises:
        TypeError: where it holds anything else.
    """
    arrays: list[np.ndarray[Any, Any]] = []
    body = json.dumps(_flatten(message, arrays)).encode()
    payload = [chunk for array in arrays for chunk in _chunks(array)]
    return [_LENGTH.pack(len(body), sum(map(len, payload))), body, *payload]


def _chunks(array: np.ndarray[Any, Any]) -> list[bytes | memoryview]:
    # Padded, so that the next array starts where any dtype may.
    padding = -array.nbytes % _ALIGNMENT
    return [array.reshape(-1).view(np.uint8).data, *([bytes(padding)] if padding else [])]


def _flatten(value: Any, arrays: list[np.ndarray[Any, Any]]) -> Any:
    if isinstance(value, np.ndarray):
        if value.dtype.kind not in "fiubc":
            raise TypeError(f"an array of dtype {value.dtype} cannot be sent")
        arrays.append(np.ascontiguousarray(value))
        return {"$": "array", "dtype": arrays[-1].dtype.str, "shape": value.shape}
    if type(value).__name__ in _TAGGED:
        names = value._fields if isinstance(value, Key) else value.__dataclass_fields__
        parts = {name: _flatten(getattr(value, name), arrays) for name in names}
        return {"$": type(value).__name__, "parts": parts}
    if isinstance(value, Mapping):
        return {"$": "map", "items": [[k, _flatten(v, arrays)] for k, v in value.items()]}
    if isinstance(value, list | tuple):
        return [_flatten(entry, arrays) for entry in value]
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, Path):
        return {"$": "path", "text": str(value)}
    if value is None or isinstance(value, str | int | float):
        return value
    raise TypeError(f"a {type(value).__name__} cannot be sent; arrays cross as NumPy")


def decode(body: bytes, payload: bytearray) -> Any:
    """The message whose JSON is `body` and whose arrays lie one after the other in `payload`.

    Raises:
        GarbledError: where they hold no message.
    """
    offset = 0

    def restore(value: Any) -> Any:
        nonlocal offset
        if isinstance(value, list):
            return [restore(entry) for entry in value]
        if not isinstance(value, dict):
            return value
        if value["$"] == "array":
            dtype, shape = np.dtype(value["dtype"]), tuple(value["shape"])
            count = int(np.prod(shape, dtype=np.int64))
            size = count * dtype.itemsize
            array = np.ndarray(shape, dtype, payload, offset) if size else np.empty(shape, dtype)
            offset += size + -size % _ALIGNMENT
            return array
        if value["$"] == "path":
            return Path(value["text"])
        if value["$"] == "map":
            return {key: restore(entry) for key, entry in value["items"]}
        return _TAGGED[value["$"]](**{name: restore(v) for name, v in value["parts"].items()})

    try:
        return restore(json.loads(body))
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise GarbledError(f"{type(error).__name__}: {error}") from error


def receive(read: Callable[[int], bytearray]) -> Any:
    """Read one message; `read(n)` returns exactly n bytes or raises EOFError."""
    body_length, payload_length = _LENGTH.unpack(read(_LENGTH.size))
    body = bytes(read(body_length))
    return decode(body, read(payload_length))

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
_KINDS = "fiubc"


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
        if value.dtype.kind not in _KINDS:
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
    try:
        return _Reader(payload).restore(json.loads(body))
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise GarbledError(f"{type(error).__name__}: {error}") from error


class _Reader:
    # Not a closure: one that calls itself is a cycle, and would keep the arrays until collected.
    def __init__(self, payload: bytearray) -> None:
        self._payload, self._offset = payload, 0

    def restore(self, value: Any) -> Any:
        if isinstance(value, list):
            return [self.restore(entry) for entry in value]
        if not isinstance(value, dict):
            return value
        if value["$"] == "array":
            return self._array(np.dtype(value["dtype"]), tuple(value["shape"]))
        if value["$"] == "path":
            return Path(value["text"])
        if value["$"] == "map":
            return {key: self.restore(entry) for key, entry in value["items"]}
        parts = {name: self.restore(part) for name, part in value["parts"].items()}
        return _TAGGED[value["$"]](**parts)

    def _array(self, dtype: np.dtype[Any], shape: tuple[int, ...]) -> np.ndarray[Any, Any]:
        if dtype.kind not in _KINDS:  # bytes read as objects would be addresses
            raise GarbledError(f"an array of dtype {dtype}")
        size = int(np.prod(shape, dtype=np.int64)) * dtype.itemsize
        if not size:
            return np.empty(shape, dtype)
        array: np.ndarray[Any, Any] = np.ndarray(shape, dtype, self._payload, self._offset)
        self._offset += size + -size % _ALIGNMENT
        return array


def receive(read: Callable[[int], bytearray]) -> Any:
    """Read one message; `read(n)` returns exactly n bytes or raises EOFError."""
    body_length, payload_length = _LENGTH.unpack(read(_LENGTH.size))
    body = bytes(read(body_length))
    return decode(body, read(payload_length))

"""Messages cross whole, and what is no message is refused."""

import gc
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bench import wire
from bench.api import Key, Query, Sample
from bench.quantities import Camera, Environment


def crossed(message: Any) -> Any:
    data = bytearray(b"".join(map(bytes, wire.encode(message))))

    def read(count: int) -> bytearray:
        taken = data[:count]
        del data[:count]
        return taken

    received = wire.receive(read)
    assert not data
    return received


@pytest.mark.parametrize("dtype", ["f4", "f8", "f2", "u1", "?", ">f4", "i8"])
@pytest.mark.parametrize("shape", [(3, 5, 1), (0, 3), (), (7,)])
def test_an_array_crosses_as_it_is(dtype: str, shape: tuple[int, ...]) -> None:
    array = np.arange(np.prod(shape, dtype=int)).reshape(shape).astype(dtype)
    odd, found = crossed([np.ones(3, "u1"), array])
    assert found.dtype == array.dtype
    np.testing.assert_array_equal(found, array, strict=True)
    assert found.flags.writeable and found.flags.aligned and odd.size == 3


def test_a_view_crosses_as_what_it_shows() -> None:
    array = np.arange(24.0).reshape(4, 6)[::2, ::-1]
    np.testing.assert_array_equal(crossed(array), array)


def test_the_contract_crosses() -> None:
    camera = Camera(np.eye(3), np.eye(4), 2, 3)
    light = Environment(np.ones((2, 4, 3), np.float32), "world")
    query = Query("q", "relit", {"environment": light})
    sample = Sample("s", "i", {"camera": camera}, ({"camera": camera},), (query,), 7)
    found = crossed({"sample": sample, "key": Key("a", "b"), "path": Path("x"), "n": np.int64(3)})
    assert (found["key"], found["path"], found["n"]) == (Key("a", "b"), Path("x"), 3)
    assert (found["sample"].scene, found["sample"].seed) == ("s", 7)
    assert found["sample"].inputs["camera"].width == 3
    assert found["sample"].queries[0].condition["environment"].frame == "world"


def test_arrays_are_freed_with_the_message_that_held_them() -> None:
    header, body, *arrays = map(bytes, wire.encode({"image": np.ones((64, 64, 3))}))
    payload = bytearray(b"".join(arrays))
    gc.disable()
    try:
        wire.decode(body, payload)
        assert sys.getrefcount(payload) == 2  # its name and the argument; no cycle holds it
    finally:
        gc.enable()
    assert len(header) == 16


@pytest.mark.parametrize("value", [object(), {1, 2}, b"bytes", np.array(["a"]), np.array([None])])
def test_what_is_not_of_the_contract_cannot_be_sent(value: object) -> None:
    with pytest.raises(TypeError, match="cannot be sent"):
        wire.encode({"value": value})


@pytest.mark.parametrize(
    "body",
    [
        "not json",
        {"$": "os.system", "parts": {}},
        {"$": "Key", "parts": {"wrong": 1}},
        {"$": "array", "dtype": "O", "shape": [1]},
        {"$": "array", "dtype": "f4", "shape": [10**9]},
        {"$": "map", "items": [[["unhashable"], 1]]},
        {"no tag": 1},
    ],
    ids=str,
)
def test_what_is_no_message_is_refused(body: object) -> None:
    text = body if isinstance(body, str) else json.dumps(body)
    with pytest.raises(wire.GarbledError):
        wire.decode(text.encode(), bytearray(64))
